//! `scatter_elements`: writes single elements along an axis.

use super::ScatterKind;
use super::check::{self, Inferred, all_plain, ensure, exactly, number};
use super::gather_elements::indices_within;
use crate::graph::TensorType;

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
