//! `gather`: entries along an axis.

use super::check::{self, Inferred, all_plain, exactly};
use crate::graph::TensorType;

/// Result dims `data[..axis] + indices + data[axis+1..]`.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [data, indices] = exactly(inputs)?;
    all_plain(inputs)?;
    check::indices(indices)?;
    check::axis(axis, data)?;
    let dims = [&data.dims[..axis], &indices.dims, &data.dims[axis + 1..]].concat();
    Ok(vec![TensorType { dims, ..data.clone() }])
}
