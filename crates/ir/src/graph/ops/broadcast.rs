//! `broadcast`: repeats a tensor by the numpy rule.

use super::check::{Inferred, all_plain, ensure, exactly};
use crate::graph::TensorType;
use cnnc_tensor::broadcast_dims;

/// The operand must broadcast to exactly `dims`.
pub(in crate::graph) fn infer(dims: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(broadcast_dims(&x.dims, dims).as_deref() == Some(dims), || format!("{x} does not broadcast to {dims:?}"))?;
    Ok(vec![TensorType { dims: dims.to_vec(), ..x.clone() }])
}
