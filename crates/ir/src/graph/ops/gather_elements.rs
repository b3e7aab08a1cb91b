//! `gather_elements`: an index for each element.

use super::check::{self, Inferred, all_plain, exactly};
use super::number::{Evaluated, index_inside, zeros};
use super::strided::offsets;
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Result dims: those of the indices, which must not be larger than the data's off the axis.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [data, indices] = exactly(inputs)?;
    all_plain(inputs)?;
    check::indices(indices)?;
    check::axis(axis, data)?;
    indices_within(axis, data, indices)?;
    Ok(vec![TensorType { dims: indices.dims.clone(), ..data.clone() }])
}

/// Indices must have the data's rank and lie within its dims off the axis.
pub(super) fn indices_within(axis: usize, data: &TensorType, indices: &TensorType) -> Result<(), String> {
    let within = indices.dims.iter().zip(&data.dims).enumerate().all(|(k, (i, d))| k == axis || i <= d);
    check::ensure(within && indices.dims.len() == data.dims.len(), || {
        format!("indices {indices} do not fit data {data} off axis {axis}")
    })
}

/// Copies bytes.
pub(in crate::graph) fn eval(axis: usize, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let (data, indices) = (inputs[0], inputs[1]);
    let mut out = zeros(ty)?;
    for (at, source) in element_positions(axis, data.dims(), indices)?.into_iter().enumerate() {
        out.set(at, data.get(source));
    }
    Ok(vec![out])
}

/// For each element of the indices the position in the data that it names.
pub(super) fn element_positions(axis: usize, dims: &[usize], indices: &Tensor) -> Result<Vec<usize>, String> {
    let mut strides = cnnc_tensor::row_major_strides(dims);
    let along = std::mem::take(&mut strides[axis]);
    let bases = offsets(indices.dims(), &strides);
    let position = |(base, index): (usize, i64)| Ok(base + index_inside(index, dims[axis])? * along);
    bases.zip(indices.to_i64_vec()).map(position).collect()
}
