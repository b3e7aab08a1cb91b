//! `softmax`: softmax along adjacent axes taken as one, or its logarithm.

use super::check::{Inferred, all_plain, ensure, exactly, float};
use crate::graph::TensorType;

/// Axes `axis..end` must be one or more axes of the operand.
pub(in crate::graph) fn infer(axis: usize, end: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    float(x)?;
    ensure(axis < end && end <= x.dims.len(), || format!("axes {axis}..{end} are not axes of {x}"))?;
    Ok(vec![x.clone()])
}
