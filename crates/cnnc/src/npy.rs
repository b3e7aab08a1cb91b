//! Tensors as `.npy` files, NumPy's format (versions 1 to 3, <https://numpy.org/neps/nep-0001-npy-format.html>).
//!
//! Read: any byte order and either element order. Written: version 1, little-endian, row-major.

use crate::CliError;
use cnnc_artifact::write_atomically;
use cnnc_tensor::{DType, Layout, Tensor, element_count, row_major_strides};
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a tensor.
pub fn read(path: &Path) -> Result<Tensor, CliError> {
    let bytes = std::fs::read(path).map_err(|source| CliError::Read { path: path.to_path_buf(), source })?;
    parse(&bytes)
        .map_err(|what| CliError::File { path: path.to_path_buf(), what: format!("not a usable .npy file: {what}") })
}

/// Writes a tensor, atomically. Elements of bfloat16, which NumPy lacks, become f32.
pub fn write(path: &Path, tensor: &Tensor) -> Result<(), CliError> {
    let wide;
    let tensor = if tensor.dtype() == DType::BF16 {
        wide = Tensor::from_f64(DType::F32, tensor.dims(), &tensor.to_f64_vec())
            .map_err(|e| CliError::Usage(e.to_string()))?;
        &wide
    } else {
        tensor
    };
    let header = header(tensor);
    write_atomically(path, |file| {
        file.write_all(&header)?;
        file.write_all(tensor.bytes())
    })?;
    Ok(())
}

fn header(tensor: &Tensor) -> Vec<u8> {
    let kind = match tensor.dtype() {
        DType::Bool => 'b',
        dtype if dtype.is_float() => 'f',
        dtype if dtype.is_signed_int() => 'i',
        _ => 'u',
    };
    let size = tensor.dtype().size();
    let order = if size == 1 { '|' } else { '<' };
    let dims: String = tensor.dims().iter().map(|d| format!("{d},")).collect();
    let mut text = format!("{{'descr': '{order}{kind}{size}', 'fortran_order': False, 'shape': ({dims}), }}");
    // The data starts at a multiple of 64.
    let length = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    [MAGIC, &[1, 0], &(length as u16).to_le_bytes(), text.as_bytes()].concat()
}

fn parse(bytes: &[u8]) -> Result<Tensor, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("its first bytes are not those of the format")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or("it ends in the header")?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (u16::from_le_bytes(*n) as usize, rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
        other => return Err(format!("version {other} of the format is not known")),
    }
    .ok_or("it ends in the header")?;
    let (header, data) = rest.split_at_checked(length).ok_or("it ends in the header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is no text")?;
    let (dtype, big_endian) = element_type(field(header, "descr")?.trim_matches(['\'', '"']))?;
    let fortran = match field(header, "fortran_order")? {
        "False" => false,
        "True" => true,
        other => return Err(format!("fortran_order is {other}")),
    };
    let dims = shape(field(header, "shape")?)?;
    let want = element_count(&dims).and_then(|n| n.checked_mul(dtype.size())).ok_or("its shape is too large")?;
    let data = data
        .get(..want)
        .ok_or_else(|| format!("shape {dims:?} of {dtype} needs {want} bytes, it has {}", data.len()))?;
    let mut data = data.to_vec();
    if big_endian {
        data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    if fortran {
        data = row_major(&data, &dims, dtype.size());
    }
    Tensor::from_bytes(dtype, &dims, Layout::Plain, &data).map_err(|e| e.to_string())
}

/// The value of a key in the header, a Python dict of one string, one bool and one tuple.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("its header has no {key}");
    let at = header.find(&format!("'{key}'")).or_else(|| header.find(&format!("\"{key}\""))).ok_or_else(missing)?;
    let value = header[at + key.len() + 2..].trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start();
    let end = if value.starts_with('(') { value.find(')').map(|k| k + 1) } else { value.find([',', '}']) };
    Ok(value[..end.ok_or_else(missing)?].trim())
}

fn element_type(text: &str) -> Result<(DType, bool), String> {
    let unknown = || format!("element type {text} is not supported");
    let mut chars = text.chars();
    let order = chars.next().ok_or_else(unknown)?;
    let dtype = match chars.as_str() {
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "b1" => DType::Bool,
        _ => return Err(unknown()),
    };
    match order {
        '<' | '|' | '=' => Ok((dtype, false)),
        '>' => Ok((dtype, true)),
        _ => Err(unknown()),
    }
}

fn shape(text: &str) -> Result<Vec<usize>, String> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or("its shape is no tuple")?;
    let dims = inner.split(',').map(str::trim).filter(|d| !d.is_empty());
    dims.map(|d| d.parse().map_err(|_| format!("its shape has the dim {d}"))).collect()
}

/// Row-major data from column-major data.
fn row_major(data: &[u8], dims: &[usize], size: usize) -> Vec<u8> {
    let reversed: Vec<usize> = dims.iter().rev().copied().collect();
    let mut strides = row_major_strides(&reversed);
    strides.reverse();
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0; dims.len()];
    for _ in 0..data.len() / size {
        let from: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>() * size;
        out.extend_from_slice(&data[from..from + size]);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes(), data].concat()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = [1.0, 0.0, 3.0, 1.0, 5.0, 100.0];
        for dtype in DType::ALL.into_iter().filter(|d| *d != DType::BF16) {
            for dims in [vec![6], vec![2, 3], vec![1, 6, 1]] {
                let tensor = Tensor::from_f64(dtype, &dims, &values).unwrap();
                let header = header(&tensor);
                assert_eq!(header.len() % 64, 0);
                assert_eq!(parse(&[&header[..], tensor.bytes()].concat()), Ok(tensor));
            }
        }
        let scalar = Tensor::from_f64(DType::F32, &[], &[7.0]).unwrap();
        assert_eq!(parse(&[&header(&scalar)[..], scalar.bytes()].concat()), Ok(scalar));
    }

    #[test]
    fn other_orders_are_converted() {
        let want = Tensor::from_vec(&[2, 3], &[1i16, 2, 3, 4, 5, 6]).unwrap();
        let column_major = [1u8, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0];
        assert_eq!(parse(&file("<i2", "True", "(2, 3)", &column_major)), Ok(want.clone()));
        let big_endian = [0, 1u8, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6];
        assert_eq!(parse(&file(">i2", "False", "(2, 3)", &big_endian)), Ok(want));
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file("<f4", "False", "(2,)", &[0; 8]);
        assert!((0..good.len()).all(|n| parse(&good[..n]).is_err()));
        assert!(parse(&file("<f4", "False", "(18446744073709551615, 2)", &[])).is_err());
        assert!(parse(&file("<f4", "False", "(-1,)", &[])).is_err());
        assert!(parse(&file("<c8", "False", "(1,)", &[0; 8])).unwrap_err().contains("<c8"));
        assert!(parse(&file("|O", "False", "(1,)", &[0; 8])).is_err());
    }
}
