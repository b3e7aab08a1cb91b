//! Concat.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// Concat: the axis defaults to 1 (opsets 1 to 3), later it must be given.
pub fn concat(cx: &mut Context, node: &Node) -> Results {
    let inputs = node.all_inputs()?;
    let rank = cx.rank(node.input(0)?);
    let axis = if node.opset < 4 { node.int("axis", 1)? } else { node.need_int("axis")? };
    cx.add(Op::Concat { axis: axis_of(axis, rank)? }, &inputs)
}
