//! `gather_nd`: slices at index tuples.

use super::check::{Inferred, all_plain, ensure, exactly};
use crate::graph::TensorType;
use cnnc_tensor::DType;

/// Result dims `indices[..-1] + data[batch_dims + k..]`.
pub(in crate::graph) fn infer(batch_dims: usize, inputs: &[&TensorType]) -> Inferred {
    let [data, indices] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(indices.dtype == DType::I64, || format!("indices must be i64, got {indices}"))?;
    let fits = || format!("indices {indices} do not fit data {data} with {batch_dims} batch axes");
    let (&k, outer) = indices.dims.split_last().ok_or_else(fits)?;
    ensure(batch_dims <= outer.len() && batch_dims <= data.dims.len(), fits)?;
    ensure(k >= 1 && k <= data.dims.len() - batch_dims, fits)?;
    ensure(outer[..batch_dims] == data.dims[..batch_dims], fits)?;
    let dims = [outer, &data.dims[batch_dims + k..]].concat();
    Ok(vec![TensorType { dims, ..data.clone() }])
}
