//! From `TensorProto` to [`Tensor`]: raw bytes, typed fields, or a file beside the model.
//!
//! The number of elements that dims promise is compared with the data that is there before anything is allocated.

use crate::proto::{LOCATION_EXTERNAL, SparseTensorProto, TensorProto};
use cnnc_tensor::{DType, Layout, Scalar, Tensor, element_count};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Most elements that a sparse tensor may become.
const MAX_DENSE: usize = 1 << 28;

/// The element type of an ONNX `DataType` number, or a message that names the type.
pub fn dtype_of(data_type: i32) -> Result<DType, String> {
    Ok(match data_type {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        other => {
            let name = match other {
                0 => "undefined",
                8 => "string",
                14 => "complex64",
                15 => "complex128",
                17 => "float8e4m3fn",
                18 => "float8e4m3fnuz",
                19 => "float8e5m2",
                20 => "float8e5m2fnuz",
                21 => "uint4",
                22 => "int4",
                23 => "float4e2m1",
                24 => "float8e8m0",
                25 => "uint2",
                26 => "int2",
                _ => "unknown",
            };
            return Err(format!("element type {name} ({other}) is not supported"));
        }
    })
}

/// Dims as sizes; negative or overflowing ones are errors.
pub fn checked_dims(dims: &[i64], dtype: DType) -> Result<Vec<usize>, String> {
    let sizes: Vec<usize> = dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("dims {dims:?} hold the negative size {d}")))
        .collect::<Result<_, _>>()?;
    let fits = |n: usize| n.checked_mul(dtype.size()).is_some_and(|b| b <= isize::MAX as usize / 2);
    // A zero dim makes the product 0, but the other dims must still make sense.
    let nonzero: Vec<usize> = sizes.iter().copied().filter(|&d| d != 0).collect();
    match element_count(&nonzero) {
        Some(n) if fits(n) => Ok(sizes),
        _ => Err(format!("dims {dims:?} of {dtype} are larger than memory")),
    }
}

/// Loads a tensor. `base` is the folder that external data is relative to; `None` where there is none.
pub fn load(proto: &TensorProto, base: Option<&Path>) -> Result<Tensor, String> {
    let dtype = dtype_of(proto.data_type.unwrap_or(0))?;
    if proto.segment.is_some() {
        return Err("tensor segments are not supported".into());
    }
    let dims = checked_dims(&proto.dims, dtype)?;
    let count = element_count(&dims).unwrap_or(usize::MAX);
    let bytes = count.saturating_mul(dtype.size());
    if proto.data_location == Some(LOCATION_EXTERNAL) {
        return from_raw(dtype, &dims, &external(proto, bytes, base)?);
    }
    if let Some(raw) = &proto.raw_data {
        return from_raw(dtype, &dims, raw);
    }
    let wrong = |have: usize| Err(format!("dims {dims:?} need {count} elements of {dtype}, the data has {have}"));
    let made = match dtype {
        DType::F32 if proto.float_data.len() == count => Tensor::from_vec(&dims, &proto.float_data),
        DType::F32 => return wrong(proto.float_data.len()),
        DType::F64 if proto.double_data.len() == count => Tensor::from_vec(&dims, &proto.double_data),
        DType::F64 => return wrong(proto.double_data.len()),
        DType::I64 if proto.int64_data.len() == count => Tensor::from_vec(&dims, &proto.int64_data),
        DType::I64 => return wrong(proto.int64_data.len()),
        DType::U32 | DType::U64 if proto.uint64_data.len() == count => {
            Tensor::from_scalars(dtype, &dims, proto.uint64_data.iter().map(|&v| Scalar::from_bits(dtype, v)))
        }
        DType::U32 | DType::U64 => return wrong(proto.uint64_data.len()),
        // f16 and bf16 stand as their bits
        _ if proto.int32_data.len() == count => {
            Tensor::from_scalars(dtype, &dims, proto.int32_data.iter().map(|&v| Scalar::from_bits(dtype, v as u64)))
        }
        _ => return wrong(proto.int32_data.len()),
    };
    made.map_err(|e| e.to_string())
}

fn from_raw(dtype: DType, dims: &[usize], raw: &[u8]) -> Result<Tensor, String> {
    if dtype != DType::Bool {
        return Tensor::from_bytes(dtype, dims, Layout::Plain, raw).map_err(|e| e.to_string());
    }
    let truth: Vec<u8> = raw.iter().map(|&b| u8::from(b != 0)).collect();
    Tensor::from_bytes(dtype, dims, Layout::Plain, &truth).map_err(|e| e.to_string())
}

/// The bytes of external data. The path must stay inside the model's folder.
fn external(proto: &TensorProto, want: usize, base: Option<&Path>) -> Result<Vec<u8>, String> {
    let entry =
        |key: &str| proto.external_data.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref());
    let number = |key: &str| match entry(key) {
        None | Some("") => Ok(None),
        Some(text) => {
            text.trim().parse::<u64>().map(Some).map_err(|_| format!("external data: {key} '{text}' is no number"))
        }
    };
    let location = entry("location").ok_or("external data has no location")?;
    let base = base.ok_or_else(|| format!("external data in '{location}', but the model was not read from a file"))?;
    let path = inside(base, location)?;
    let fail = |e: std::io::Error| format!("external data file '{}': {e}", path.display());
    let offset = number("offset")?.unwrap_or(0);
    let mut file = File::open(&path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let length = number("length")?.unwrap_or_else(|| size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        let path = path.display();
        return Err(format!(
            "external data file '{path}' has {size} bytes; offset {offset} + length {length} is outside"
        ));
    }
    if length != want as u64 {
        return Err(format!("external data in '{}' has {length} bytes, the dims need {want}", path.display()));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut bytes = vec![0; want];
    file.read_exact(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// `base/location`, where that lies inside `base` and is a plain file.
fn inside(base: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("external data location '{location}' leaves the model's folder"));
    }
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let path = base.join(relative);
    let fail = |e: std::io::Error| format!("external data file '{}': {e}", path.display());
    let (real, root) = (path.canonicalize().map_err(fail)?, base.canonicalize().map_err(fail)?);
    if !real.starts_with(&root) {
        return Err(format!("external data location '{location}' leaves the model's folder"));
    }
    if !real.is_file() {
        return Err(format!("external data location '{location}' is not a file"));
    }
    Ok(real)
}

/// A sparse tensor (values `[n]`, indices `[n]` linear or `[n, rank]`) as a dense one.
pub fn load_sparse(proto: &SparseTensorProto, base: Option<&Path>) -> Result<Tensor, String> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err("a sparse tensor needs values and indices".into());
    };
    let (values, indices) = (load(values, base)?, load(indices, base)?);
    let dims = checked_dims(&proto.dims, values.dtype())?;
    let count = element_count(&dims).filter(|&n| n <= MAX_DENSE);
    let count = count.ok_or_else(|| format!("sparse tensor of dims {dims:?} is too large to be made dense"))?;
    let linear = match indices.dims() {
        [n] if *n == values.count() => true,
        [n, rank] if *n == values.count() && *rank == dims.len() => false,
        other => return Err(format!("sparse indices of dims {other:?} for {} values", values.count())),
    };
    let indices = indices.to_i64_vec();
    let mut dense = Tensor::zeros(values.dtype(), &dims, Layout::Plain).map_err(|e| e.to_string())?;
    let strides = cnnc_tensor::row_major_strides(&dims);
    for k in 0..values.count() {
        let at = if linear {
            usize::try_from(indices[k]).ok().filter(|&i| i < count)
        } else {
            let index = &indices[k * dims.len()..][..dims.len()];
            let inside = index.iter().zip(&dims).all(|(&i, &d)| i >= 0 && (i as usize) < d);
            inside.then(|| index.iter().zip(&strides).map(|(&i, &s)| i as usize * s).sum())
        };
        dense.set(at.ok_or_else(|| format!("sparse index {k} is outside dims {dims:?}"))?, values.get(k));
    }
    Ok(dense)
}
