//! `reduce`: sum, mean, largest, smallest and product over axes.

use super::ReduceKind;
use super::check::{self, Inferred, ensure, exactly, number};
use crate::graph::TensorType;
use cnnc_tensor::Layout;

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
