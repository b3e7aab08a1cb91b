//! Concat.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// Concat of opsets 1 to 3: the axis is 1 where it is not given.
pub fn concat_1(cx: &mut Context, node: &Node) -> Results {
    joined(cx, node, node.int("axis", 1)?)
}

/// Concat from opset 4 on.
pub fn concat(cx: &mut Context, node: &Node) -> Results {
    joined(cx, node, node.need_int("axis")?)
}

fn joined(cx: &mut Context, node: &Node, axis: i64) -> Results {
    let operands = node.all_inputs()?;
    let Some(&first) = operands.first() else { return invalid("the node has no operands") };
    let axis = axis_of(axis, cx.rank(first))?;
    if operands.len() == 1 { Ok(vec![first]) } else { cx.add(Op::Concat { axis }, &operands) }
}
