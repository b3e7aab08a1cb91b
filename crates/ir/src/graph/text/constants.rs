//! Content of constants in texts: inline, made from a seed, or in a folder under its hash.

use crate::graph::TensorType;
use crate::graph::infer::check_type;
use cnnc_tensor::{DType, Layout, Scalar, Tensor};
use std::path::Path;

/// Constants of at most so many (physical) elements are written out.
pub const INLINE_ELEMENTS: usize = 64;
/// A constant of more elements is printed as a seed, where it is what a seed makes.
const SEEDED_ELEMENTS: usize = 8;
/// Seeds that the printer tries on a constant.
const PRINTED_SEEDS: u64 = 256;
/// Most bytes of constants that a text may declare by seed.
pub(super) const MAX_SEEDED_BYTES: usize = 256 << 20;

/// A tensor made from a seed, the same everywhere: floats about normally distributed with variance 1, integers from -8
/// to 7 (unsigned from 0 to 15), truth values; tail lanes of a blocked layout zero. Elements depend on their plain
/// row-major index only.
///
/// # Errors
/// Where memory cannot hold the type, or a layout does not fit it.
pub fn seeded(ty: &TensorType, seed: u64) -> Result<Tensor, String> {
    check_type(ty)?;
    let elements = (0..ty.count() as u64).map(|k| seeded_element(ty.dtype, seed, k));
    let plain = match ty.dtype {
        DType::F32 => Tensor::from_vec(&ty.dims, &elements.map(|s| s.to_f64() as f32).collect::<Vec<_>>()),
        dtype => Tensor::from_scalars(dtype, &ty.dims, elements),
    };
    plain.and_then(|t| t.with_layout(ty.layout)).map_err(|e| e.to_string())
}

fn seeded_element(dtype: DType, seed: u64, index: u64) -> Scalar {
    let random = mixed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mixed(index));
    match dtype {
        DType::Bool => Scalar::bool(random & 1 == 1),
        _ if dtype.is_float() => {
            // The sum of four uniform numbers, scaled to variance 1: a multiple of 2^-16 before the scaling.
            let sum: i64 = (0..4).map(|k| (random >> (16 * k) & 0xffff) as i64).sum();
            Scalar::from_f64(dtype, (sum - 2 * 0xffff) as f64 / 65536.0 * 3f64.sqrt())
        }
        _ if dtype.is_signed_int() => Scalar::from_i64(dtype, (random & 15) as i64 - 8),
        _ => Scalar::from_i64(dtype, (random & 15) as i64),
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014).
fn mixed(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The content as text; a large one that no small seed makes is written to the folder, if there is one.
pub(super) fn print(tensor: &Tensor, folder: Option<&Path>) -> std::io::Result<String> {
    let physical = tensor.bytes().len() / tensor.dtype().size();
    if physical > SEEDED_ELEMENTS
        && let Some(seed) = (0..PRINTED_SEEDS).find(|&seed| is_seeded(tensor, seed))
    {
        return Ok(format!("seed={seed}"));
    }
    if physical <= INLINE_ELEMENTS {
        let elements: Vec<String> = (0..physical).map(|k| tensor.get(k).to_string()).collect();
        return Ok(format!("{{{}}}", elements.join(", ")));
    }
    let name = format!("{:032x}", tensor.content_hash());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(&name), tensor.bytes())?;
    }
    Ok(format!("@{name}"))
}

/// Whether the tensor is what a seed makes; a few elements at its start are looked at first.
fn is_seeded(tensor: &Tensor, seed: u64) -> bool {
    // The distance in plain order between elements that follow each other in memory, and how many do.
    let (distance, count) = match tensor.layout() {
        Layout::Plain => (1, tensor.count()),
        Layout::Blocked(block) => (tensor.dims()[2..].iter().product(), tensor.dims()[1].min(block)),
    };
    let element = |k: usize| seeded_element(tensor.dtype(), seed, (k * distance) as u64);
    let start_fits = (0..count.min(16)).all(|k| tensor.get(k) == element(k));
    start_fits && seeded(&TensorType::of(tensor), seed).is_ok_and(|s| s == *tensor)
}

/// The content of a file under its hash.
pub(super) fn load(ty: &TensorType, hash: &str, folder: Option<&Path>) -> Result<Tensor, String> {
    check_type(ty)?;
    let folder =
        folder.ok_or_else(|| format!("the content of constant @{hash} lies in a folder that was not given"))?;
    if hash.len() != 32 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("@{hash} is no content hash"));
    }
    let file = folder.join(hash);
    let error = |e: std::io::Error| format!("{}: {e}", file.display());
    let length = std::fs::metadata(&file).map_err(error)?.len();
    if length != ty.bytes() as u64 {
        return Err(format!("{} has {length} bytes, {ty} needs {}", file.display(), ty.bytes()));
    }
    let bytes = std::fs::read(&file).map_err(error)?;
    let tensor = Tensor::from_bytes(ty.dtype, &ty.dims, ty.layout, &bytes).map_err(|e| e.to_string())?;
    let found = format!("{:032x}", tensor.content_hash());
    if found == hash { Ok(tensor) } else { Err(format!("{} holds @{found}", file.display())) }
}
