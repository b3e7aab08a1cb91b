//! `arg_reduce`: index of the largest or smallest element along an axis.

use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use super::reduce::reduced_dims;
use crate::graph::TensorType;
use cnnc_tensor::DType;

/// The axis must not be empty.
pub(in crate::graph) fn infer(axis: usize, keep_dims: bool, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    number(x)?;
    check::axis(axis, x)?;
    ensure(x.dims[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
    Ok(vec![TensorType::plain(DType::I64, &reduced_dims(&x.dims, &[axis], keep_dims))])
}
