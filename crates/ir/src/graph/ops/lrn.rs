//! `lrn`: local response normalisation across channels.

use super::check::{Inferred, ensure, exactly, float};
use crate::graph::TensorType;

/// Result type: that of `x`.
pub(in crate::graph) fn infer(size: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    float(x)?;
    ensure(x.dims.len() >= 2 && size > 0, || format!("{size} channels of {x} cannot be summed"))?;
    Ok(vec![x.clone()])
}
