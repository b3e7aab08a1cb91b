//! LpNormalization: `x / norm(x)` along an axis, 0 where the norm is 0.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_tensor::Scalar;

/// LpNormalization with p 1 or 2.
pub fn lp_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int("axis", -1)?, cx.rank(x))?;
    let p = node.int("p", 2)?;
    if p != 1 && p != 2 {
        return invalid(format!("attribute 'p' is {p}; it must be 1 or 2"));
    }
    let powers = cx.map(&[x], |b, v| match p {
        1 => b.unary(UnaryOp::Abs, v[0]),
        _ => b.binary(BinaryOp::Mul, v[0], v[0]),
    })?;
    let sum = cx.add1(Op::Reduce { kind: ReduceKind::Sum, axes: vec![axis], keep_dims: true }, &[powers])?;
    let zero = Scalar::from_f64(cx.dtype(x), 0.0);
    let y = cx.map(&[x, sum], |b, v| {
        let norm = if p == 1 { v[1] } else { b.unary(UnaryOp::Sqrt, v[1]) };
        let zero = b.constant(zero);
        let vanishes = b.binary(BinaryOp::Eq, norm, zero);
        let quotient = b.binary(BinaryOp::Div, v[0], norm);
        b.select(vanishes, zero, quotient)
    })?;
    Ok(vec![y])
}
