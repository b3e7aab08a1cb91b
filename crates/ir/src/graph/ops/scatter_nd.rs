//! `scatter_nd`: writes slices at index tuples.

use super::ScatterKind;
use super::check::{Inferred, all_plain, ensure, exactly};
use super::scatter_elements::updates_combine;
use crate::graph::TensorType;
use cnnc_tensor::DType;

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
