//! `softmax`: softmax along adjacent axes taken as one, or its logarithm.

use super::check::{Inferred, all_plain, ensure, exactly, float};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Axes `axis..end` must be one or more axes of the operand.
pub(in crate::graph) fn infer(axis: usize, end: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    float(x)?;
    ensure(axis < end && end <= x.dims.len(), || format!("axes {axis}..{end} are not axes of {x}"))?;
    Ok(vec![x.clone()])
}

/// In f64, the largest element subtracted first.
pub(in crate::graph) fn eval(axis: usize, end: usize, log: bool, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let mut values = inputs[0].to_f64_vec();
    let size: usize = ty.dims[axis..end].iter().product();
    let inner: usize = ty.dims[end..].iter().product();
    let outer: usize = ty.dims[..axis].iter().product();
    for row in 0..outer * inner {
        let base = row / inner * size * inner + row % inner;
        let along = |k: usize| base + k * inner;
        let largest = (0..size).map(|k| values[along(k)]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..size).map(|k| (values[along(k)] - largest).exp()).sum();
        for k in 0..size {
            let shifted = values[along(k)] - largest;
            values[along(k)] = if log { shifted - sum.ln() } else { shifted.exp() / sum };
        }
    }
    Ok(vec![f64::tensor(ty, &values)?])
}
