//! `gather`: entries along an axis.

use super::check::{self, Inferred, all_plain, exactly};
use super::number::{Evaluated, index_inside, zeros};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Result dims `data[..axis] + indices + data[axis+1..]`.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let [data, indices] = exactly(inputs)?;
    all_plain(inputs)?;
    check::indices(indices)?;
    check::axis(axis, data)?;
    let dims = [&data.dims[..axis], &indices.dims, &data.dims[axis + 1..]].concat();
    Ok(vec![TensorType { dims, ..data.clone() }])
}

/// Copies bytes.
pub(in crate::graph) fn eval(axis: usize, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let (data, indices) = (inputs[0], inputs[1]);
    let size = data.dims()[axis];
    let mut out = zeros(ty)?;
    let entries: Vec<usize> =
        indices.to_i64_vec().into_iter().map(|i| index_inside(i, size)).collect::<Result<_, _>>()?;
    let run = data.dims()[axis + 1..].iter().product::<usize>() * ty.dtype.size();
    if run == 0 || entries.is_empty() {
        return Ok(vec![out]);
    }
    let blocks = out.bytes_mut().chunks_exact_mut(run * entries.len());
    for (block, source) in blocks.zip(data.bytes().chunks_exact(run * size)) {
        for (target, &entry) in block.chunks_exact_mut(run).zip(&entries) {
            target.copy_from_slice(&source[entry * run..][..run]);
        }
    }
    Ok(vec![out])
}
