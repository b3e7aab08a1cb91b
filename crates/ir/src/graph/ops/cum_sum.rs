//! `cum_sum`: running sum along an axis.

use super::check::{self, Inferred, all_plain, exactly, number};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Result type: that of the operand.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    number(x)?;
    check::axis(axis, x)?;
    Ok(vec![x.clone()])
}

/// Sums in f64, or in wrapping integers.
pub(in crate::graph) fn eval(
    axis: usize,
    exclusive: bool,
    reverse: bool,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let sums = match ty.dtype.is_float() {
        true => running::<f64>(axis, exclusive, reverse, inputs[0], ty),
        false => running::<i64>(axis, exclusive, reverse, inputs[0], ty),
    };
    Ok(vec![sums?])
}

fn running<T: Number>(
    axis: usize,
    exclusive: bool,
    reverse: bool,
    x: &Tensor,
    ty: &TensorType,
) -> Result<Tensor, String> {
    let size = x.dims()[axis];
    let inner: usize = x.dims()[axis + 1..].iter().product();
    let outer: usize = x.dims()[..axis].iter().product();
    let mut values = T::read(x);
    for row in 0..outer * inner {
        let mut sum = T::default();
        for step in 0..size {
            let along = if reverse { size - 1 - step } else { step };
            let at = (row / inner * size + along) * inner + row % inner;
            let before = sum;
            sum = sum.plus(values[at]);
            values[at] = if exclusive { before } else { sum };
        }
    }
    T::tensor(ty, &values)
}
