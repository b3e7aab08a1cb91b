//! `scatter_nd`: writes slices at index tuples.

use super::ScatterKind;
use super::check::{Inferred, all_plain, ensure, exactly};
use super::gather_nd::slice_positions;
use super::number::Evaluated;
use super::scatter_elements::{combine, updates_combine};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};

/// Updates have dims `indices[..-1] + data[k..]`; the result has the data's type.
pub(in crate::graph) fn infer(kind: ScatterKind, inputs: &[&TensorType]) -> Inferred {
    let [data, indices, updates] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(indices.dtype == DType::I64, || format!("indices must be i64, got {indices}"))?;
    let fits = || format!("indices {indices} and updates {updates} do not fit data {data}");
    let (&k, outer) = indices.dims.split_last().ok_or_else(fits)?;
    ensure(k >= 1 && k <= data.dims.len(), fits)?;
    ensure(updates.dims == [outer, &data.dims[k..]].concat(), fits)?;
    updates_combine(kind, data, updates)?;
    Ok(vec![data.clone()])
}

/// Updates are applied in row-major order.
pub(in crate::graph) fn eval(kind: ScatterKind, inputs: &[&Tensor]) -> Evaluated {
    let (data, indices, updates) = (inputs[0], inputs[1], inputs[2]);
    let mut out = data.clone();
    let (starts, run) = slice_positions(0, data.dims(), indices)?;
    for (k, start) in starts.into_iter().enumerate() {
        for at in 0..run {
            out.set(start + at, combine(kind, out.get(start + at), updates.get(k * run + at)));
        }
    }
    Ok(vec![out])
}
