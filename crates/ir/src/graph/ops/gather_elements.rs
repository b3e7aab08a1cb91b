//! `gather_elements`: an index for each element.

use super::check::{self, Inferred, all_plain, exactly};
use crate::graph::TensorType;

/// Result dims: those of the indices, which must not be larger than the data's off the axis.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [data, indices] = exactly(inputs)?;
    all_plain(inputs)?;
    check::indices(indices)?;
    check::axis(axis, data)?;
    indices_within(axis, data, indices)?;
    Ok(vec![TensorType { dims: indices.dims.clone(), ..data.clone() }])
}

/// Indices must have the data's rank and lie within its dims off the axis.
pub(super) fn indices_within(axis: usize, data: &TensorType, indices: &TensorType) -> Result<(), String> {
    let within = indices.dims.iter().zip(&data.dims).enumerate().all(|(k, (i, d))| k == axis || i <= d);
    check::ensure(within && indices.dims.len() == data.dims.len(), || {
        format!("indices {indices} do not fit data {data} off axis {axis}")
    })
}
