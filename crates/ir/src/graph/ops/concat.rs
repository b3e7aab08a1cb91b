//! `concat`: joins operands along an axis.

use super::check::{self, Inferred, at_least, ensure, list};
use super::number::{Evaluated, zeros};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// One or more operands of one type but for the axis.
pub(in crate::graph) fn infer(axis: usize, inputs: &[&TensorType]) -> Inferred {
    let ([first], rest) = at_least::<1>(inputs)?;
    check::axis(axis, first)?;
    let mut result = first.clone();
    for operand in rest {
        let like = TensorType { dims: with_dim(&first.dims, axis, operand.dims.get(axis)), ..first.clone() };
        ensure(like == **operand, || format!("operands differ off axis {axis}: {}", list(inputs)))?;
        result.dims[axis] =
            result.dims[axis].checked_add(operand.dims[axis]).ok_or_else(|| format!("{} overflow", list(inputs)))?;
    }
    Ok(vec![result])
}

fn with_dim(dims: &[usize], axis: usize, dim: Option<&usize>) -> Vec<usize> {
    let mut dims = dims.to_vec();
    dims[axis] = dim.copied().unwrap_or(dims[axis]);
    dims
}

/// Copies bytes.
pub(in crate::graph) fn eval(axis: usize, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let mut out = zeros(ty)?;
    let size = ty.dtype.size();
    let row: usize = ty.dims[axis..].iter().product::<usize>() * size;
    let mut start = 0;
    for operand in inputs {
        let run = operand.dims()[axis..].iter().product::<usize>() * size;
        if run == 0 {
            continue;
        }
        for (part, whole) in operand.bytes().chunks_exact(run).zip(out.bytes_mut().chunks_exact_mut(row)) {
            whole[start..start + run].copy_from_slice(part);
        }
        start += run;
    }
    Ok(vec![out])
}
