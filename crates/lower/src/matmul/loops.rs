//! Matrix product as one plain loop nest: every element type, any extent.

use super::MatMulShape;
use crate::scalar_sum::{ScalarSum, is_plain, lower_sums};
use crate::tiled::illegal;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::Target;

/// Matrix product by plain loops.
pub const MATMUL_LOOPS: Algorithm = Algorithm {
    name: "matmul_loops",
    about: "matrix product as a plain loop nest, any element type",
    accuracy: Accuracy::Rounding,
    error: crate::error::chained_products,
    class: Class::Generic,
    candidates,
    packings: |_, _, _| vec![],
    work,
    lower,
};

/// Share of the peak that one multiply-add after the other reaches.
const EFFICIENCY: f64 = 0.01;

fn fits(region: &Region) -> Option<MatMulShape> {
    MatMulShape::of(region).filter(|_| is_plain(region))
}

fn candidates(region: &Region, _: &Target, _: Breadth) -> Vec<Candidate> {
    fits(region).map_or(vec![], |_| vec![Candidate::new(MATMUL_LOOPS.name, &[])])
}

fn work(region: &Region, _candidate: &Candidate, target: &Target) -> Work {
    let flops = MatMulShape::of(region).map_or(0.0, |s| s.flops());
    cost::streaming(region, target, flops, EFFICIENCY)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let shape = fits(region).ok_or_else(|| illegal(region, candidate, "an operand is blocked or of another type"))?;
    Ok(lower_sums(MATMUL_LOOPS.name, region, |b, buffers, coords| sum_at(b, &shape, buffers, coords)))
}

fn sum_at(b: &mut KernelBuilder, shape: &MatMulShape, buffers: (Buf, Buf), coords: &[Val]) -> Val {
    let (m, n, k) = (shape.m as i64, shape.n as i64, shape.k as i64);
    let (batch, place) = coords.split_at(coords.len() - 2);
    let start = |b: &mut KernelBuilder, strides: &[usize], size: i64| {
        let terms: Vec<(Val, i64)> = batch.iter().zip(strides).map(|(&at, &s)| (at, s as i64 * size)).collect();
        b.address(0, &terms)
    };
    let (a_start, b_start) = (start(b, &shape.a_batch, m * k), start(b, &shape.b_batch, k * n));
    let (a_row, a_step) = if shape.trans_a { (1, m) } else { (k, 1) };
    let (b_column, b_step) = if shape.trans_b { (k, 1) } else { (1, n) };
    let sum = ScalarSum::start(b, b.dtype(buffers.0));
    b.serial(0, k, |b, t| {
        let x = b.address(0, &[(place[0], a_row), (t, a_step), (a_start, 1)]);
        let w = b.address(0, &[(place[1], b_column), (t, b_step), (b_start, 1)]);
        sum.add_product(b, (buffers.0, x), (buffers.1, w));
    });
    sum.finish(b)
}
