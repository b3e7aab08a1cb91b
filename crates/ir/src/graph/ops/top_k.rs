//! `top_k`: the k largest or smallest elements along an axis.

use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use crate::graph::TensorType;
use cnnc_tensor::DType;

/// Results: values, and indices of type i64.
pub(in crate::graph) fn infer(k: usize, axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    number(x)?;
    check::axis(axis, x)?;
    ensure(k <= x.dims[axis], || format!("axis {axis} of {x} has fewer than {k} elements"))?;
    let mut values = x.clone();
    values.dims[axis] = k;
    let positions = TensorType { dtype: DType::I64, ..values.clone() };
    Ok(vec![values, positions])
}
