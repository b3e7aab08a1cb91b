//! `matmul`: batched matrix product.

use super::check::{Inferred, all_plain, at_least, ensure, number};
use super::tail;
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, broadcast_dims};

/// Plain operands only.
pub(in crate::graph) fn infer(trans_a: bool, trans_b: bool, expr: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([a, b], rest) = at_least::<2>(inputs)?;
    all_plain(inputs)?;
    number(a)?;
    ensure(a.dtype == b.dtype, || format!("element types differ: {a}, {b}"))?;
    let (Some((a_batch, a_matrix)), Some((b_batch, b_matrix))) =
        (a.dims.split_last_chunk::<2>(), b.dims.split_last_chunk::<2>())
    else {
        return Err(format!("takes operands of rank 2 or more, got {a}, {b}"));
    };
    let (m, k) = oriented(a_matrix, trans_a);
    let (k_b, n) = oriented(b_matrix, trans_b);
    ensure(k == k_b, || format!("inner dims {k} and {k_b} differ: {a}, {b} (transposed: {trans_a}, {trans_b})"))?;
    let mut dims = broadcast_dims(a_batch, b_batch).ok_or_else(|| format!("batch dims do not broadcast: {a}, {b}"))?;
    dims.extend([m, n]);
    Ok(vec![tail::infer(expr, a.dtype, &dims, Layout::Plain, rest)?])
}

fn oriented(matrix: &[usize; 2], transposed: bool) -> (usize, usize) {
    if transposed { (matrix[1], matrix[0]) } else { (matrix[0], matrix[1]) }
}
