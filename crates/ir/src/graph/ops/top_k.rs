//! `top_k`: the k largest or smallest elements along an axis.

use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use super::number::{Evaluated, Number, zeros};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};
use std::cmp::Ordering;

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

/// NaN counts as larger than every number.
pub(in crate::graph) fn eval(
    k: usize,
    axis: usize,
    largest: bool,
    inputs: &[&Tensor],
    results: &[TensorType],
) -> Evaluated {
    let x = inputs[0];
    // Zeros of either sign are equal, and so are all NaNs.
    let normal = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
    let positions = match x.dtype().is_float() {
        true => chosen(k, axis, largest, x, &|a: f64, b: f64| normal(a).total_cmp(&normal(b))),
        false => chosen(k, axis, largest, x, &|a: i64, b: i64| a.cmp(&b)),
    };
    let mut values = zeros(&results[0])?;
    let (size, inner) = (x.dims()[axis], x.dims()[axis + 1..].iter().product::<usize>());
    for (at, &position) in positions.iter().enumerate() {
        let outer = at / (k * inner);
        values.set(at, x.get((outer * size + position as usize) * inner + at % inner));
    }
    Ok(vec![values, i64::tensor(&results[1], &positions)?])
}

/// The positions along the axis, in the result's order.
fn chosen<T: Number>(k: usize, axis: usize, largest: bool, x: &Tensor, order: &dyn Fn(T, T) -> Ordering) -> Vec<i64> {
    let size = x.dims()[axis];
    let inner: usize = x.dims()[axis + 1..].iter().product();
    let outer: usize = x.dims()[..axis].iter().product();
    let values = T::read_ordered(x);
    let mut chosen = vec![0; outer * k * inner];
    for row in 0..outer * inner {
        let value = |at: usize| values[(row / inner * size + at) * inner + row % inner];
        let mut along: Vec<usize> = (0..size).collect();
        along.sort_by(|&a, &b| {
            let rising = order(value(a), value(b));
            if largest { rising.reverse() } else { rising }
        });
        for (rank, &at) in along[..k].iter().enumerate() {
            chosen[(row / inner * k + rank) * inner + row % inner] = at as i64;
        }
    }
    chosen
}
