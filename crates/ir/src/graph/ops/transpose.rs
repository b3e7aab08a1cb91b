//! `transpose`: permutes axes.

use super::check::{Inferred, all_plain, ensure, exactly};
use crate::graph::TensorType;

/// `perm` must be a permutation of the axes.
pub(in crate::graph) fn infer(perm: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    ensure(sorted.iter().copied().eq(0..x.dims.len()), || format!("{perm:?} is no permutation of the axes of {x}"))?;
    Ok(vec![TensorType { dims: perm.iter().map(|&axis| x.dims[axis]).collect(), ..x.clone() }])
}
