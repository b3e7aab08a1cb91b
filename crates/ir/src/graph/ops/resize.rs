//! `resize`: separable resampling by index and weight tables.

use super::check::{self, Inferred, all_plain, at_least, ensure, list};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout};

/// A blocked operand keeps its layout where only spatial axes are resampled.
pub(in crate::graph) fn infer(axes: &[usize], sizes: &[usize], inputs: &[&TensorType]) -> Inferred {
    let ([x], tables) = at_least::<1>(inputs)?;
    all_plain(tables)?;
    check::axes(axes, x)?;
    check::one_each("sizes", sizes.len(), axes.len(), x)?;
    ensure(x.layout == Layout::Plain || axes.iter().all(|&a| a >= 2), || {
        format!("a blocked operand is resampled along spatial axes only, got {x}, axes {axes:?}")
    })?;
    ensure(tables.len() == 2 * axes.len(), || {
        format!("takes an index and a weight table for each of the axes {axes:?}, got {}", list(tables))
    })?;
    let mut dims = x.dims.clone();
    for ((&axis, &size), pair) in axes.iter().zip(sizes).zip(tables.chunks(2)) {
        let (index, weight) = (pair[0], pair[1]);
        let fits = index.dtype == DType::I64
            && weight.dtype == DType::F32
            && index.dims == weight.dims
            && matches!(index.dims[..], [out, taps] if out == size && taps > 0);
        ensure(fits, || format!("tables {index}, {weight} of axis {axis} do not give {size} elements"))?;
        ensure(x.dtype.is_float() || index.dims[1] == 1, || {
            format!("{} taps along axis {axis} need floats, got {x}", index.dims[1])
        })?;
        ensure(size == 0 || x.dims[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
        dims[axis] = size;
    }
    Ok(vec![TensorType { dims, ..x.clone() }])
}
