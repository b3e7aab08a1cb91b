//! `scatter_elements`: writes single elements along an axis.

use super::ScatterKind;
use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use super::gather_elements::{element_positions, indices_within};
use super::number::Evaluated;
use crate::expr::{BinaryOp, apply_binary};
use crate::graph::TensorType;
use cnnc_tensor::{Scalar, Tensor};

/// Result type: that of the data.
pub(in crate::graph) fn infer(axis: usize, kind: ScatterKind, inputs: &[&TensorType]) -> Inferred {
    let [data, indices, updates] = exactly(inputs)?;
    all_plain(inputs)?;
    check::indices(indices)?;
    check::axis(axis, data)?;
    indices_within(axis, data, indices)?;
    ensure(updates.dims == indices.dims, || format!("updates {updates} do not have the dims of indices {indices}"))?;
    updates_combine(kind, data, updates)?;
    Ok(vec![data.clone()])
}

/// Updates must have the data's element type, and one that the combination takes.
pub(super) fn updates_combine(kind: ScatterKind, data: &TensorType, updates: &TensorType) -> Result<(), String> {
    ensure(updates.dtype == data.dtype, || format!("updates {updates} are not of the type of data {data}"))?;
    if matches!(kind, ScatterKind::Add | ScatterKind::Mul) { number(data) } else { Ok(()) }
}

/// Updates are applied in row-major order.
pub(in crate::graph) fn eval(axis: usize, kind: ScatterKind, inputs: &[&Tensor]) -> Evaluated {
    let (data, indices, updates) = (inputs[0], inputs[1], inputs[2]);
    let mut out = data.clone();
    for (at, target) in element_positions(axis, data.dims(), indices)?.into_iter().enumerate() {
        out.set(target, combine(kind, out.get(target), updates.get(at)));
    }
    Ok(vec![out])
}

/// What an update makes of the element that stands there.
pub(super) fn combine(kind: ScatterKind, old: Scalar, update: Scalar) -> Scalar {
    match kind {
        ScatterKind::Replace => update,
        ScatterKind::Add => apply_binary(BinaryOp::Add, old, update),
        ScatterKind::Mul => apply_binary(BinaryOp::Mul, old, update),
        ScatterKind::Max => apply_binary(BinaryOp::Max, old, update),
        ScatterKind::Min => apply_binary(BinaryOp::Min, old, update),
    }
}
