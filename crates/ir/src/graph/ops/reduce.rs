//! `reduce`: sum, mean, largest, smallest and product over axes.

use super::ReduceKind;
use super::check::{self, Inferred, ensure, exactly, number};
use super::number::{Evaluated, Number};
use super::strided::offsets;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// A blocked operand keeps its layout where only spatial axes are reduced and kept as 1.
pub(in crate::graph) fn infer(kind: ReduceKind, axes: &[usize], keep_dims: bool, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    check::axes(axes, x)?;
    if !matches!(kind, ReduceKind::Max | ReduceKind::Min) {
        number(x)?;
    }
    let spatial = keep_dims && axes.iter().all(|&a| a >= 2);
    ensure(x.layout == Layout::Plain || spatial, || {
        format!("a blocked operand is reduced over spatial axes with kept dims only, got {x}, axes {axes:?}")
    })?;
    Ok(vec![TensorType { dims: reduced_dims(&x.dims, axes, keep_dims), ..x.clone() }])
}

/// Dims with some axes made 1 or dropped.
pub(super) fn reduced_dims(dims: &[usize], axes: &[usize], keep_dims: bool) -> Vec<usize> {
    let axis_dim = |(axis, &dim): (usize, &usize)| match axes.contains(&axis) {
        false => Some(dim),
        true => keep_dims.then_some(1),
    };
    dims.iter().enumerate().filter_map(axis_dim).collect()
}

/// Sums in f64, or in wrapping integers; NaN is above and below all.
pub(in crate::graph) fn eval(kind: ReduceKind, axes: &[usize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let reduced = match inputs[0].dtype().is_float() {
        true => reduce::<f64>(kind, axes, inputs[0], ty),
        false => reduce::<i64>(kind, axes, inputs[0], ty),
    };
    Ok(vec![reduced?])
}

fn reduce<T: Number>(kind: ReduceKind, axes: &[usize], x: &Tensor, ty: &TensorType) -> Result<Tensor, String> {
    let strides = group_strides(x.dims(), axes);
    let targets = offsets(x.dims(), &strides);
    let (lowest, highest) = T::range(x.dtype());
    let ordered = matches!(kind, ReduceKind::Max | ReduceKind::Min);
    let (start, combine): (T, fn(T, T) -> T) = match kind {
        ReduceKind::Sum | ReduceKind::Mean => (T::default(), T::plus),
        ReduceKind::Prod => (T::ONE, T::times),
        ReduceKind::Max => (lowest, |a, b| if b > a || b.is_nan() { b } else { a }),
        ReduceKind::Min => (highest, |a, b| if b < a || b.is_nan() { b } else { a }),
    };
    let mut out = vec![start; ty.count()];
    let values = if ordered { T::read_ordered(x) } else { T::read(x) };
    values.into_iter().zip(targets).for_each(|(value, at)| out[at] = combine(out[at], value));
    if kind == ReduceKind::Mean {
        let count = axes.iter().map(|&a| x.dims()[a]).product();
        out.iter_mut().for_each(|v| *v = v.over(count));
    }
    if ordered { T::tensor_ordered(ty, &out) } else { T::tensor(ty, &out) }
}

/// Strides that take an index of `dims` to its group's number, where a group runs over `axes`.
pub(super) fn group_strides(dims: &[usize], axes: &[usize]) -> Vec<usize> {
    let mut strides = cnnc_tensor::row_major_strides(&reduced_dims(dims, axes, true));
    axes.iter().for_each(|&axis| strides[axis] = 0);
    strides
}
