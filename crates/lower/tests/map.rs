//! The fused elementwise kernel against the reference evaluation.

#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Layout, Scalar, Tensor};
use common::{Case, Random, cases, targets};
use proptest::prelude::*;

/// An expression over `$0, $1, ...` from a closure.
fn expr(build: impl FnOnce(&mut ExprBuilder) -> ExprId) -> Expr {
    let mut b = ExprBuilder::default();
    let result = build(&mut b);
    b.finish(result)
}

/// `$0 * $1 + $2 + ...`, or `-$0`.
fn polynomial(operands: usize) -> Expr {
    expr(|b| {
        let x = b.input(0);
        match operands {
            1 => b.unary(UnaryOp::Neg, x),
            _ => {
                let y = b.input(1);
                let start = b.binary(BinaryOp::Mul, x, y);
                (2..operands as u32).fold(start, |sum, k| {
                    let next = b.input(k);
                    b.binary(BinaryOp::Add, sum, next)
                })
            }
        }
    })
}

#[test]
fn rows_of_every_length() {
    let mut random = Random::new(1);
    for len in [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 100] {
        let x = random.tensor(DType::F32, &[3, len]);
        let bias = random.tensor(DType::F32, &[len]);
        Case::new(Op::map(polynomial(2)), vec![x.clone(), bias]).tolerance(1e-6).check_all();
        let column = random.tensor(DType::F32, &[3, 1]);
        Case::new(Op::map(polynomial(2)), vec![column, x]).tolerance(1e-6).check_all();
    }
}

#[test]
fn long_rows_are_shared_by_threads() {
    let mut random = Random::new(2);
    let x = random.tensor(DType::F32, &[2, 9001]);
    let scale = random.tensor(DType::F32, &[2, 1]);
    Case::new(Op::map(polynomial(2)), vec![x, scale]).tolerance(1e-6).check_all();
    let x = random.tensor(DType::F32, &[20001]);
    Case::new(Op::map(polynomial(1)), vec![x]).tolerance(0.0).check_all();
    for target in targets() {
        let x = random.tensor(DType::F32, &[1, 3, 30, 29]);
        let gate = random.tensor(DType::F32, &[1, 3, 1, 1]);
        let case = Case::new(Op::map(polynomial(2)), vec![x, gate]).blocked(target.lanes, &[]).tolerance(1e-6);
        assert_eq!(case.check(&target).len(), 1);
    }
}

#[test]
fn no_operands() {
    let index = expr(|b| {
        let (i, j) = (b.index(0), b.index(2));
        let four = b.constant(Scalar::i64(4));
        let i = b.binary(BinaryOp::Mul, i, four);
        b.binary(BinaryOp::Sub, j, i)
    });
    Case::new(Op::Map { expr: index, dims: vec![3, 2, 19] }, vec![]).check_all();
    let constant = expr(|b| b.constant(Scalar::from_f64(DType::F16, 1.5)));
    Case::new(Op::Map { expr: constant.clone(), dims: vec![5] }, vec![]).check_all();
    Case::new(Op::Map { expr: constant, dims: vec![] }, vec![]).check_all();
}

/// Scalar and empty shapes, broadcasts beyond the operands.
#[test]
fn odd_shapes() {
    let mut random = Random::new(3);
    for (a, b) in
        [(vec![], vec![]), (vec![], vec![3]), (vec![0], vec![1]), (vec![2, 0, 3], vec![3]), (vec![1, 1], vec![1])]
    {
        let inputs = vec![random.tensor(DType::F32, &a), random.tensor(DType::F32, &b)];
        Case::new(Op::map(polynomial(2)), inputs).tolerance(1e-6).check_all();
    }
    let x = random.tensor(DType::I32, &[1, 5]);
    Case::new(Op::Map { expr: polynomial(1), dims: vec![2, 3, 5] }, vec![x]).check_all();
}

#[test]
fn mixed_types() {
    let mut random = Random::new(4);
    let narrow = expr(|b| {
        let (x, y) = (b.input(0), b.input(1));
        let x = b.cast(DType::F32, x);
        let sum = b.binary(BinaryOp::Add, x, y);
        b.cast(DType::U8, sum)
    });
    for from in DType::ALL {
        let inputs = vec![random.tensor(from, &[3, 21]), random.tensor(DType::F32, &[3, 1])];
        Case::new(Op::map(narrow.clone()), inputs).check_all();
        for to in DType::ALL {
            let x = random.tensor(from, &[37]);
            Case::new(Op::cast(to), vec![x]).tolerance(0.0).check_all();
        }
    }
    let which = expr(|b| {
        let (c, x, y) = (b.input(0), b.input(1), b.input(2));
        b.select(c, x, y)
    });
    for dtype in DType::ALL {
        let inputs =
            vec![random.tensor(DType::Bool, &[4, 1]), random.tensor(dtype, &[4, 9]), random.tensor(dtype, &[9])];
        Case::new(Op::map(which.clone()), inputs).tolerance(0.0).check_all();
    }
}

/// Every operation on every type that takes it.
#[test]
fn every_operation() {
    let mut random = Random::new(5);
    for dtype in DType::ALL {
        let tolerance = match dtype {
            DType::F64 => 1e-14,
            DType::F32 => 1e-6,
            _ => 1e-2,
        };
        for &op in UnaryOp::ALL {
            if op.result_type(dtype).is_ok() {
                let x = random.tensor(dtype, &[2, 19]);
                Case::new(Op::unary(op), vec![x]).tolerance(tolerance).check_all();
            }
        }
        for &op in BinaryOp::ALL {
            if op.result_type(dtype, dtype).is_ok() {
                let inputs = vec![random.tensor(dtype, &[5, 19]), random.tensor(dtype, &[19])];
                Case::new(Op::binary(op), inputs).tolerance(tolerance).check_all();
            }
        }
    }
}

/// A tail lane of a blocked result is zero, whatever the expression makes of zero.
#[test]
fn blocked_tails() {
    let mut random = Random::new(6);
    for target in targets() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::I64, DType::U8, DType::Bool] {
            let x = random.tensor(dtype, &[2, target.lanes + 3, 2, 3]);
            let not_equal = expr(|b| {
                let (x, y) = (b.input(0), b.input(1));
                let same = b.binary(BinaryOp::Eq, x, y);
                b.cast(dtype, same)
            });
            let case = Case::new(Op::map(not_equal), vec![x.clone(), x]).blocked(target.lanes, &[]);
            assert_eq!(case.check(&target).len(), 1);
        }
    }
}

/// Dims that broadcast to `dims`.
fn repeated(random: &mut Random, dims: &[usize]) -> Vec<usize> {
    let drop = random.below(dims.len() + 1);
    dims[drop..].iter().map(|&d| if random.below(3) == 0 { 1 } else { d }).collect()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn random_broadcasts(seed: u64) {
        let mut random = Random::new(seed);
        let dims: Vec<usize> = (0..random.below(6)).map(|_| random.pick(&[0, 1, 1, 2, 3, 4, 5, 7, 17])).collect();
        let dtype = random.pick(&[DType::F32, DType::F64, DType::I32, DType::U8]);
        let operands = 1 + random.below(4);
        let inputs: Vec<Tensor> = (0..operands)
            .map(|k| {
                let own = if k == 0 { dims.clone() } else { repeated(&mut random, &dims) };
                random.tensor(dtype, &own)
            })
            .collect();
        Case::new(Op::map(polynomial(operands)), inputs).check_all();
    }

    #[test]
    fn random_blocked_broadcasts(seed: u64) {
        let mut random = Random::new(seed);
        let target = random.pick(&[0, 1, 2, 3]);
        let target = &targets()[target];
        let channels = random.pick(&[1, 3, target.lanes, target.lanes + 1, 2 * target.lanes]);
        let mut dims = vec![1 + random.below(2), channels];
        dims.extend((0..random.below(4)).map(|_| 1 + random.below(4)));
        let operands = 2 + random.below(3);
        let mut plain = vec![];
        let inputs: Vec<Tensor> = (0..operands)
            .map(|k| {
                let own = match random.below(4) {
                    _ if k == 0 => dims.clone(),
                    0 => {
                        plain.push(k);
                        let spatial = dims.len() - 2;
                        [vec![channels], vec![1; spatial]].concat()
                    }
                    1 => {
                        plain.push(k);
                        vec![]
                    }
                    _ => dims.iter().map(|&d| if random.below(3) == 0 { 1 } else { d }).collect(),
                };
                random.tensor(DType::F32, &own)
            })
            .collect();
        let case = Case::new(Op::map(polynomial(operands)), inputs).blocked(target.lanes, &plain).tolerance(1e-6);
        prop_assert_eq!(case.check(target).len(), 1);
    }
}

#[test]
fn special_values_of_selections() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 7.5];
    let (mut x, mut y) = (vec![], vec![]);
    for a in special {
        for b in special {
            x.push(a);
            y.push(b);
        }
    }
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let (a, b) = (Tensor::from_f64(dtype, &[64], &x).unwrap(), Tensor::from_f64(dtype, &[64], &y).unwrap());
        for op in [BinaryOp::Min, BinaryOp::Max, BinaryOp::Eq, BinaryOp::Lt, BinaryOp::Le, BinaryOp::Div] {
            Case::new(Op::binary(op), vec![a.clone(), b.clone()]).tolerance(0.0).check_all();
        }
        for op in [UnaryOp::Relu, UnaryOp::Sign, UnaryOp::IsInf, UnaryOp::IsNan, UnaryOp::Abs, UnaryOp::Round] {
            Case::new(Op::unary(op), vec![a.clone()]).tolerance(0.0).check_all();
        }
        let clip = expr(|b| {
            let x = b.input(0);
            let (low, high) = (b.constant(Scalar::from_f64(dtype, 0.0)), b.constant(Scalar::from_f64(dtype, 6.0)));
            let x = b.binary(BinaryOp::Max, x, low);
            b.binary(BinaryOp::Min, high, x)
        });
        Case::new(Op::map(clip), vec![a]).result_layout(Layout::Plain).tolerance(0.0).check_all();
    }
}
