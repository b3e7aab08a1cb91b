//! Elementwise operators of one operation.

use super::Op;
use crate::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_tensor::DType;

impl Op {
    /// A map of one expression over its operands.
    pub fn map(expr: Expr) -> Op {
        Op::Map { expr, dims: vec![] }
    }

    /// A conversion of element type.
    pub fn cast(dtype: DType) -> Op {
        let mut b = ExprBuilder::default();
        let x = b.input(0);
        let y = b.cast(dtype, x);
        Op::map(b.finish(y))
    }

    /// An elementwise operation of one operand.
    pub fn unary(op: UnaryOp) -> Op {
        let mut b = ExprBuilder::default();
        let x = b.input(0);
        let y = b.unary(op, x);
        Op::map(b.finish(y))
    }

    /// An elementwise operation of two operands.
    pub fn binary(op: BinaryOp) -> Op {
        let mut b = ExprBuilder::default();
        let (x, y) = (b.input(0), b.input(1));
        let z = b.binary(op, x, y);
        Op::map(b.finish(z))
    }
}
