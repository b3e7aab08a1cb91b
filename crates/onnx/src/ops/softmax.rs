//! Softmax and LogSoftmax. Up to opset 12 the tensor is taken as a matrix, split at the axis.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// Along all axes from the given one on (opsets 1 to 12).
pub fn softmax_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axis = axis_of(node.int("axis", 1)?, rank)?;
    Ok(vec![cx.add1(Op::Softmax { axis, end: rank, log: node.op == "LogSoftmax" }, &[x])?])
}

/// Along one axis (opset 13 and later).
pub fn softmax(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int("axis", -1)?, cx.rank(x))?;
    Ok(vec![cx.add1(Op::Softmax { axis, end: axis + 1, log: node.op == "LogSoftmax" }, &[x])?])
}
