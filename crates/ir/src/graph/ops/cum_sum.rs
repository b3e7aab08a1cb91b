//! `cum_sum`: running sum along an axis.

use super::check::{self, Inferred, all_plain, exactly, number};
use crate::graph::TensorType;

/// Result type: that of the operand.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    number(x)?;
    check::axis(axis, x)?;
    Ok(vec![x.clone()])
}
