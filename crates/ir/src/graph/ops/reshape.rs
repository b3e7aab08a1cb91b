//! `reshape`: the same elements under other dims.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::Evaluated;
use crate::graph::TensorType;
use cnnc_tensor::{Tensor, element_count};

/// The number of elements stays.
pub(in crate::graph) fn infer(dims: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(element_count(dims) == Some(x.count()), || format!("{x} has another number of elements than {dims:?}"))?;
    Ok(vec![TensorType { dims: dims.to_vec(), ..x.clone() }])
}

/// Shares the operand's bytes.
pub(in crate::graph) fn eval(dims: &[usize], inputs: &[&Tensor]) -> Evaluated {
    Ok(vec![inputs[0].reshaped(dims).map_err(|e| e.to_string())?])
}
