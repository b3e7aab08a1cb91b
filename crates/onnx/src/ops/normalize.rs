//! What the normalisations share: [`Op::Normalize`] with scale and bias as its tail.

use crate::context::Context;
use crate::error::{Reason, invalid};
use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder};
use cnnc_ir::graph::{Op, ValueId};

/// `x` normalised over axes, then scaled and shifted by what broadcasts to it.
pub fn normalize(
    cx: &mut Context,
    x: ValueId,
    axes: Vec<usize>,
    epsilon: f32,
    center: bool,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
) -> Result<ValueId, Reason> {
    let mut operands = vec![x];
    let mut b = ExprBuilder::default();
    let mut y = b.input(0);
    for (operand, op) in [(scale, BinaryOp::Mul), (bias, BinaryOp::Add)] {
        if let Some(operand) = operand {
            let (dims, of) = (cx.dims(x), cx.dims(operand));
            if cnnc_tensor::broadcast_dims(&dims, &of).as_ref() != Some(&dims) {
                return invalid(format!("scale or bias of dims {of:?} does not broadcast to {dims:?}"));
            }
            let place = b.input(operands.len() as u32);
            y = b.binary(op, y, place);
            operands.push(operand);
        }
    }
    let tail: Expr = b.finish(y);
    cx.add1(Op::Normalize { axes, epsilon: epsilon.to_bits(), center, tail }, &operands)
}
