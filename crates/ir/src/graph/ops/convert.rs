//! `convert`: the same tensor in another layout.

use super::check::{Inferred, exactly};
use crate::graph::TensorType;
use cnnc_tensor::Layout;

/// The dispatcher checks that the layout fits the rank.
pub(in crate::graph) fn infer(layout: Layout, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    Ok(vec![x.with_layout(layout)])
}
