//! `arg_reduce`: index of the largest or smallest element along an axis.

use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use super::number::{Evaluated, Number};
use super::reduce::reduced_dims;
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};

/// The axis must not be empty.
pub(in crate::graph) fn infer(axis: usize, keep_dims: bool, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    number(x)?;
    check::axis(axis, x)?;
    ensure(x.dims[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
    Ok(vec![TensorType::plain(DType::I64, &reduced_dims(&x.dims, &[axis], keep_dims))])
}

/// NaN is never chosen over a number.
pub(in crate::graph) fn eval(largest: bool, axis: usize, last: bool, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let chosen = match inputs[0].dtype().is_float() {
        true => choose::<f64>(largest, axis, last, inputs[0]),
        false => choose::<i64>(largest, axis, last, inputs[0]),
    };
    Ok(vec![i64::tensor(ty, &chosen)?])
}

fn choose<T: Number>(largest: bool, axis: usize, last: bool, x: &Tensor) -> Vec<i64> {
    let size = x.dims()[axis];
    let inner: usize = x.dims()[axis + 1..].iter().product();
    let outer: usize = x.dims()[..axis].iter().product();
    let values = T::read_ordered(x);
    let mut chosen = Vec::with_capacity(outer * inner);
    for row in 0..outer * inner {
        let base = row / inner * size * inner + row % inner;
        let (mut best, mut at) = (values[base], 0);
        for k in 1..size {
            let value = values[base + k * inner];
            let better = if largest { value > best } else { value < best };
            if better || (last && value == best) || best.is_nan() {
                (best, at) = (value, k as i64);
            }
        }
        chosen.push(at);
    }
    chosen
}
