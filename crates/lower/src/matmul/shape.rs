//! The numbers of a matrix product region.

use crate::Region;
use cnnc_ir::graph::Op;
use cnnc_tensor::row_major_strides;

/// Extents of a batched matrix product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatMulShape {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Summed extent.
    pub k: usize,
    /// `a` is stored `[.., K, M]`.
    pub trans_a: bool,
    /// `b` is stored `[.., N, K]`.
    pub trans_b: bool,
    /// Batch extents of the result.
    pub batch: Vec<usize>,
    /// For each batch axis of the result, matrices of `a` from one to the next.
    pub a_batch: Vec<usize>,
    /// For each batch axis of the result, matrices of `b` from one to the next.
    pub b_batch: Vec<usize>,
    /// Matrices of `b`.
    pub b_count: usize,
}

impl MatMulShape {
    /// The shape of a matrix product; `None` for other operators.
    pub fn of(region: &Region) -> Option<MatMulShape> {
        MatMulShape::with_inner(region, 2)
    }

    /// The shape where `b` is packed: its batch axes, then `inner` others.
    pub fn with_inner(region: &Region, inner: usize) -> Option<MatMulShape> {
        let Op::MatMul { trans_a, trans_b, .. } = *region.op else { return None };
        let (a, b, result) = (&region.inputs.first()?.dims, &region.inputs.get(1)?.dims, &region.outputs.first()?.dims);
        let rank = result.len();
        if rank < 2 || a.len() < 2 || b.len() < inner {
            return None;
        }
        let batch = result[..rank - 2].to_vec();
        let k = if trans_a { a[a.len() - 2] } else { a[a.len() - 1] };
        Some(MatMulShape {
            m: result[rank - 2],
            n: result[rank - 1],
            k,
            trans_a,
            trans_b,
            a_batch: batch_strides(&a[..a.len() - 2], batch.len()),
            b_batch: batch_strides(&b[..b.len() - inner], batch.len()),
            b_count: b[..b.len() - inner].iter().product(),
            batch,
        })
    }

    /// Floating-point operations.
    pub fn flops(&self) -> f64 {
        2.0 * self.batch.iter().product::<usize>() as f64 * self.m as f64 * self.n as f64 * self.k as f64
    }
}

/// Matrices from one to the next along each batch axis of the result; 0 where the operand is repeated.
fn batch_strides(dims: &[usize], rank: usize) -> Vec<usize> {
    let own = row_major_strides(dims).into_iter().zip(dims).map(|(s, &d)| if d == 1 { 0 } else { s });
    let mut strides = vec![0; rank - dims.len().min(rank)];
    strides.extend(own);
    strides
}
