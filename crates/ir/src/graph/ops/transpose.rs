//! `transpose`: permutes axes.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, zeros};
use super::strided::{self, Strided, row_major};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// `perm` must be a permutation of the axes.
pub(in crate::graph) fn infer(perm: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    ensure(sorted.iter().copied().eq(0..x.dims.len()), || format!("{perm:?} is no permutation of the axes of {x}"))?;
    Ok(vec![TensorType { dims: perm.iter().map(|&axis| x.dims[axis]).collect(), ..x.clone() }])
}

/// Copies bytes.
pub(in crate::graph) fn eval(perm: &[usize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let x = inputs[0];
    let mut out = zeros(ty)?;
    let own = row_major(x.dims());
    let from: Vec<isize> = perm.iter().map(|&axis| own[axis]).collect();
    let to = row_major(&ty.dims);
    strided::copy(
        x.dtype().size(),
        &ty.dims,
        Strided { bytes: x.bytes(), offset: 0, strides: &from },
        Strided { bytes: out.bytes_mut(), offset: 0, strides: &to },
    );
    Ok(vec![out])
}
