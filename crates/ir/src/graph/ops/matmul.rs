//! `matmul`: batched matrix product.

use super::check::{Inferred, all_plain, at_least, ensure, number};
use super::number::{Evaluated, Number, accumulate};
use super::strided::offsets;
use super::{parallel, tail};
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

/// Columns and terms of a block of `b` that is in use at once: few enough for a second-level cache.
const BLOCK: (usize, usize) = (128, 256);

/// Threads share the rows of each matrix, or the columns where it has one row.
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
    let (a_values, b_values) = (T::view(a), T::view(b));
    let mut sums = vec![T::default(); ty.count()];
    if sums.is_empty() {
        return T::tensor(ty, &sums);
    }
    let threads = parallel::parts(sums.len() * k);
    let at_once = if m == 1 { n.div_ceil(threads) } else { m.div_ceil(threads) * n };
    let items = sums.chunks_exact_mut(m * n).enumerate().flat_map(|(matrix, sums)| {
        sums.chunks_mut(at_once).enumerate().map(move |(part, sums)| (matrix, part * at_once, sums))
    });
    parallel::for_each(items.collect(), threads, &|(matrix, start, sums): (usize, usize, &mut [T])| {
        let (first_row, first_column) = (start / n, start % n);
        let columns = n.min(sums.len());
        let (a, b) = (&a_values[a_starts[matrix]..][..m * k], &b_values[b_starts[matrix]..][..k * n]);
        let term_of_b = |at: usize, column: usize| b[if trans_b { column * k + at } else { at * n + column }];
        let mut packed = vec![T::default(); BLOCK.0 * BLOCK.1];
        let mut weights = vec![T::default(); BLOCK.1];
        for column in (0..columns).step_by(BLOCK.0) {
            let width = BLOCK.0.min(columns - column);
            for first in (0..k).step_by(BLOCK.1) {
                let terms = BLOCK.1.min(k - first);
                for at in 0..terms {
                    let row = packed[at * width..][..width].iter_mut();
                    row.enumerate().for_each(|(c, v)| *v = term_of_b(first + at, first_column + column + c));
                }
                for (row, sums) in sums.chunks_exact_mut(columns).enumerate() {
                    let row = first_row + row;
                    let term_of_a = |at: usize| a[if trans_a { at * m + row } else { row * k + at }];
                    weights[..terms].iter_mut().enumerate().for_each(|(at, v)| *v = term_of_a(first + at));
                    accumulate(&mut sums[column..column + width], &weights[..terms], &packed, width);
                }
            }
        }
    });
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
