//! Gemm: `alpha * A' B' + beta * C`, the scaling and the sum as the tail of the product.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::Scalar;

/// Gemm. C broadcasts to the result; before opset 7 only with `broadcast` set, which models rely on anyway.
pub fn gemm(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    for operand in [a, b] {
        if cx.rank(operand) != 2 {
            return invalid(format!("operands A and B must be matrices, not of dims {:?}", cx.dims(operand)));
        }
    }
    let dtype = cx.dtype(a);
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    if !dtype.is_float() && (alpha.fract() != 0.0 || beta.fract() != 0.0) {
        return invalid(format!("alpha {alpha} and beta {beta} must be whole for operands of {dtype}"));
    }
    let scalar = |value: f32| Scalar::from_f64(dtype, f64::from(value));
    let mut operands = vec![a, b];
    let mut tail = ExprBuilder::default();
    let mut y = tail.input(0);
    if alpha != 1.0 {
        let alpha = tail.constant(scalar(alpha));
        y = tail.binary(BinaryOp::Mul, y, alpha);
    }
    if let Some(c) = node.optional(2).filter(|_| beta != 0.0) {
        let c = if beta == 1.0 {
            c
        } else {
            let beta = cx.scalar(scalar(beta));
            cx.binary(BinaryOp::Mul, c, beta)?
        };
        operands.push(c);
        let c = tail.input(1);
        y = tail.binary(BinaryOp::Add, y, c);
    }
    let op =
        Op::MatMul { trans_a: node.flag("transA", false)?, trans_b: node.flag("transB", false)?, tail: tail.finish(y) };
    cx.add(op, &operands)
}
