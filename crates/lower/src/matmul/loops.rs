//! Matrix product as one plain loop nest: every element type, any extent.

use super::MatMulShape;
use crate::operand::Position;
use crate::scalar_sum::ScalarSum;
use crate::tail::Tail;
use crate::tiled::illegal;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{KernelBuilder, Role, Val};
use cnnc_tensor::{Layout, Target};

/// Matrix product by plain loops.
pub const MATMUL_LOOPS: Algorithm = Algorithm {
    name: "matmul_loops",
    about: "matrix product as a plain loop nest, any element type",
    accuracy: Accuracy::Rounding,
    class: Class::Generic,
    candidates,
    packings: no_packings,
    work,
    lower,
};

/// Share of the peak that one multiply-add after the other reaches.
const EFFICIENCY: f64 = 0.01;

fn fits(region: &Region) -> Option<MatMulShape> {
    let shape = MatMulShape::of(region)?;
    let dtype = region.outputs[0].dtype;
    let plain = region.inputs.iter().chain(&region.outputs).all(|t| t.layout == Layout::Plain);
    (plain && region.inputs[..2].iter().all(|t| t.dtype == dtype)).then_some(shape)
}

fn candidates(region: &Region, _target: &Target) -> Vec<Candidate> {
    fits(region).map_or(vec![], |_| vec![Candidate::new(MATMUL_LOOPS.name, &[])])
}

fn no_packings(_region: &Region, _candidate: &Candidate, _target: &Target) -> Vec<Packing> {
    vec![]
}

fn work(region: &Region, _candidate: &Candidate, target: &Target) -> Work {
    let flops = MatMulShape::of(region).map_or(0.0, |s| s.flops());
    cost::streaming(region, target, flops, EFFICIENCY)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let shape = fits(region).ok_or_else(|| illegal(region, candidate, "an operand is blocked or of another type"))?;
    let mut b = KernelBuilder::new(MATMUL_LOOPS.name);
    let result = &region.outputs[0];
    let a = b.buffer("a", result.dtype, region.inputs[0].count(), Role::Read);
    let other = b.buffer("b", result.dtype, region.inputs[1].count(), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", result.dtype, result.count(), Role::Write);
    let in_place = tail.in_place(&mut b, out);
    let (m, n, k) = (shape.m as i64, shape.n as i64, shape.k as i64);
    let rows = &result.dims[..result.dims.len() - 1];
    b.parallel(rows.iter().product(), |b, line| {
        let outer = b.unflatten(line, rows);
        let (batch, row) = outer.split_at(outer.len() - 1);
        let start = |b: &mut KernelBuilder, strides: &[usize], size: i64| {
            let terms: Vec<(Val, i64)> = batch.iter().zip(strides).map(|(&at, &s)| (at, s as i64 * size)).collect();
            b.address(0, &terms)
        };
        let a_start = start(b, &shape.a_batch, m * k);
        let b_start = start(b, &shape.b_batch, k * n);
        let (a_row, a_step) = if shape.trans_a { (1, m) } else { (k, 1) };
        let (b_column, b_step) = if shape.trans_b { (k, 1) } else { (1, n) };
        b.serial(0, n, |b, column| {
            let sum = ScalarSum::start(b, result.dtype);
            b.serial(0, k, |b, t| {
                let x = b.address(0, &[(row[0], a_row), (t, a_step), (a_start, 1)]);
                let w = b.address(0, &[(column, b_column), (t, b_step), (b_start, 1)]);
                sum.add_product(b, (a, x), (other, w));
            });
            let mut coords = outer.clone();
            coords.push(column);
            let flat = b.address(0, &[(line, n), (column, 1)]);
            let element = sum.finish(b);
            let value = tail.apply(b, element, &Position { coords: &coords, flat, lanes: 1, count: None });
            b.store(out, flat, value);
        });
    });
    let mut lowering = LoweringBuilder::default();
    let mut operands = vec![Operand::Input(0), Operand::Input(1)];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    lowering.call(b.finish(), operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
    Ok(lowering.finish())
}
