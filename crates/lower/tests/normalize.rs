//! Normalisations against the reference evaluation.

mod common;

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random, cases, targets};
use proptest::prelude::*;

/// `$0 * $1 + $2`.
fn affine() -> Expr {
    let mut b = ExprBuilder::default();
    let (x, scale, bias) = (b.input(0), b.input(1), b.input(2));
    let scaled = b.binary(BinaryOp::Mul, x, scale);
    let result = b.binary(BinaryOp::Add, scaled, bias);
    b.finish(result)
}

fn normalize(axes: &[usize], center: bool, tail: Expr) -> Op {
    Op::Normalize { axes: axes.to_vec(), epsilon: 1e-5f32.to_bits(), center, tail }
}

#[test]
fn layer_instance_and_group_norm() {
    let mut random = Random::new(1);
    for (dims, axes, scale) in [
        (vec![2, 7, 50], vec![2], vec![50]),
        (vec![2, 3, 6, 7], vec![2, 3], vec![3, 1, 1]),
        (vec![2, 4, 3, 5, 6], vec![2, 3, 4], vec![4, 3, 1, 1]),
        (vec![2, 9, 4, 5], vec![1], vec![9, 1, 1]),
        (vec![3, 5, 4, 5], vec![0, 2, 3], vec![5, 1, 1]),
        (vec![2, 8, 6], vec![1, 2], vec![8, 6]),
        (vec![2, 5, 1], vec![2], vec![1]),
        (vec![4, 33], vec![0], vec![33]),
    ] {
        for center in [true, false] {
            let x = random.tensor(DType::F32, &dims);
            Case::new(normalize(&axes, center, Expr::input(0)), vec![x.clone()]).tolerance(1e-5).check_all();
            let inputs = vec![x, random.tensor(DType::F32, &scale), random.tensor(DType::F32, &scale)];
            Case::new(normalize(&axes, center, affine()), inputs).tolerance(1e-5).check_all();
        }
    }
}

#[test]
fn types_and_indices() {
    let mut random = Random::new(2);
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F16, 1e-2), (DType::BF16, 3e-2)] {
        let inputs = vec![random.tensor(dtype, &[3, 21]), random.tensor(dtype, &[21]), random.tensor(dtype, &[3, 1])];
        Case::new(normalize(&[1], true, affine()), inputs).tolerance(tolerance).check_all();
    }
    let mut b = ExprBuilder::default();
    let (x, i) = (b.input(0), b.index(2));
    let i = b.cast(DType::F32, i);
    let sum = b.binary(BinaryOp::Add, x, i);
    let tail = b.finish(sum);
    let x = random.tensor(DType::F32, &[2, 3, 5, 7]);
    Case::new(normalize(&[2, 3], true, tail.clone()), vec![x.clone()]).check_all();
    Case::new(normalize(&[1], true, tail), vec![x]).check_all();
    Case::new(normalize(&[1], true, Expr::input(0)), vec![random.tensor(DType::F32, &[2, 0, 3])]).check_all();
}

/// A large mean beside a small variance: no cancellation.
#[test]
fn large_mean() {
    let mut random = Random::new(3);
    let x = random.floats(DType::F32, &[2, 300], 1000.0, 1001.0);
    Case::new(normalize(&[1], true, Expr::input(0)), vec![x]).tolerance(1e-3).check_all();
}

/// Pairs that differ by little beside their mean: what rounding leaves in the mean is taken out again. Equal values
/// have no variance, however large they are.
#[test]
fn close_values() {
    let pairs = Tensor::from_vec::<f32>(&[4, 2], &[0.9, 0.901, -3.0, -3.0007, 0.3, 0.30002, 7.1, 7.1]).unwrap();
    let equal = Tensor::from_vec(&[1, 3], &[1_234_567.9f32; 3]).unwrap();
    for x in [pairs, equal] {
        Case::new(normalize(&[1], true, Expr::input(0)), vec![x]).tolerance(1e-6).check_all();
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn random_axes(seed: u64) {
        let mut random = Random::new(seed);
        let dims: Vec<usize> = (0..2 + random.below(3)).map(|_| random.pick(&[1, 2, 3, 5, 9, 20])).collect();
        let mut axes: Vec<usize> = (0..dims.len()).filter(|_| random.below(2) == 0).collect();
        if axes.is_empty() {
            axes.push(dims.len() - 1);
        }
        let operand = |random: &mut Random| {
            let drop = random.below(dims.len());
            let dims: Vec<usize> = dims[drop..].iter().map(|&d| if random.below(2) == 0 { 1 } else { d }).collect();
            random.tensor(DType::F32, &dims)
        };
        let (scale, bias) = (operand(&mut random), operand(&mut random));
        let x = random.tensor(DType::F32, &dims);
        let target = &targets()[random.below(4)];
        let case = Case::new(normalize(&axes, random.below(3) > 0, affine()), vec![x, scale, bias]);
        prop_assert_eq!(case.tolerance(1e-5).magnitude(1.0).check(target).len(), 1);
    }
}
