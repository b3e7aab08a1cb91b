//! `matmul`: batched matrix product.

use super::check::{Inferred, all_plain, at_least, ensure, number};
use super::number::{Evaluated, Number, accumulate};
use super::strided::offsets;
use super::tail;
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor, broadcast_dims};

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

/// Sums in f64, or in wrapping integers.
pub(in crate::graph) fn eval(
    trans_a: bool,
    trans_b: bool,
    expr: &Expr,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let accumulator = TensorType { dtype: inputs[0].dtype(), ..ty.clone() };
    let sums = match accumulator.dtype.is_float() {
        true => multiply::<f64>(trans_a, trans_b, inputs[0], inputs[1], &accumulator)?,
        false => multiply::<i64>(trans_a, trans_b, inputs[0], inputs[1], &accumulator)?,
    };
    tail::apply(expr, sums, &inputs[2..], ty)
}

fn multiply<T: Number>(
    trans_a: bool,
    trans_b: bool,
    a: &Tensor,
    b: &Tensor,
    ty: &TensorType,
) -> Result<Tensor, String> {
    let (batch, matrix) = ty.dims.split_at(ty.dims.len() - 2);
    let (m, n) = (matrix[0], matrix[1]);
    let k = a.dims()[a.dims().len() - if trans_a { 2 } else { 1 }];
    let (a_starts, b_starts) = (batch_starts(a.dims(), batch), batch_starts(b.dims(), batch));
    let (a_values, mut b_values) = (T::read(a), T::read(b));
    if trans_b && n * k > 0 {
        for matrix in b_values.chunks_exact_mut(n * k) {
            let stored = matrix.to_vec();
            for (row, values) in stored.chunks_exact(k).enumerate() {
                values.iter().enumerate().for_each(|(at, &v)| matrix[at * n + row] = v);
            }
        }
    }
    let mut sums = vec![T::default(); ty.count()];
    for (row, sums) in sums.chunks_exact_mut(n.max(1)).enumerate() {
        let a = &a_values[a_starts[row / m]..][..m * k];
        let b = &b_values[b_starts[row / m]..][..k * n];
        match trans_a {
            false => accumulate(sums, &a[row % m * k..][..k], b, n),
            true => {
                let weights: Vec<T> = (0..k).map(|at| a[at * m + row % m]).collect();
                accumulate(sums, &weights, b, n);
            }
        }
    }
    T::tensor(ty, &sums)
}

/// Where the matrix of each batch position of the result starts in an operand.
fn batch_starts(dims: &[usize], batch: &[usize]) -> Vec<usize> {
    let own = dims.len() - 2;
    let all = cnnc_tensor::row_major_strides(dims);
    let mut strides = vec![0; batch.len() - own];
    strides.extend((0..own).map(|axis| if dims[axis] == 1 { 0 } else { all[axis] }));
    offsets(batch, &strides).collect()
}
