//! `gather_nd`: slices at index tuples.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, index_inside, zeros};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};

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

/// Copies bytes.
pub(in crate::graph) fn eval(batch_dims: usize, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let (data, indices) = (inputs[0], inputs[1]);
    let mut out = zeros(ty)?;
    let (starts, run) = slice_positions(batch_dims, data.dims(), indices)?;
    let bytes = run * ty.dtype.size();
    if bytes > 0 {
        for (target, start) in out.bytes_mut().chunks_exact_mut(bytes).zip(starts) {
            target.copy_from_slice(&data.bytes()[start * ty.dtype.size()..][..bytes]);
        }
    }
    Ok(vec![out])
}

/// For each index tuple the position in the data where its slice starts, and the number of elements of a slice.
pub(super) fn slice_positions(
    batch_dims: usize,
    dims: &[usize],
    indices: &Tensor,
) -> Result<(Vec<usize>, usize), String> {
    let k = indices.dims().last().copied().unwrap_or(0);
    let tuples: usize = indices.dims()[..indices.dims().len() - 1].iter().product();
    let strides = cnnc_tensor::row_major_strides(dims);
    let batches: usize = dims[..batch_dims].iter().product();
    let batch_size: usize = dims[batch_dims..].iter().product();
    let values = indices.to_i64_vec();
    let mut starts = Vec::with_capacity(tuples);
    for tuple in 0..tuples {
        let mut start = tuple / (tuples / batches.max(1)).max(1) * batch_size;
        for axis in 0..k {
            start += index_inside(values[tuple * k + axis], dims[batch_dims + axis])? * strides[batch_dims + axis];
        }
        starts.push(start);
    }
    Ok((starts, dims[batch_dims + k..].iter().product()))
}
