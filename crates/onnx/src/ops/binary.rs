//! Add, Sub, Mul, Div.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::expr::BinaryOp;
use cnnc_ir::graph::ValueId;

fn operation(op: &str) -> Result<BinaryOp, Reason> {
    Ok(match op {
        "Add" => BinaryOp::Add,
        "Sub" => BinaryOp::Sub,
        "Mul" => BinaryOp::Mul,
        "Div" => BinaryOp::Div,
        other => return invalid(format!("{other} is no arithmetic operation")),
    })
}

/// Arithmetic with numpy broadcasting (opset 7 and later).
pub fn arithmetic(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    Ok(vec![cx.binary(operation(node.op)?, a, b)?])
}

/// Arithmetic with the attributes `broadcast` and `axis` (opsets 1 to 6).
pub fn arithmetic_1(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let b = old_broadcast(cx, node, a, b)?;
    Ok(vec![cx.binary(operation(node.op)?, a, b)?])
}

/// The second operand as numpy broadcasting wants it: with `broadcast` set, its axes stand at `axis` of the first
/// operand's, or at its end.
pub fn old_broadcast(cx: &mut Context, node: &Node, a: ValueId, b: ValueId) -> Result<ValueId, Reason> {
    let (a_dims, b_dims) = (cx.dims(a), cx.dims(b));
    if !node.flag("broadcast", false)? {
        // Models of that time often have broadcasting operands of numpy's rule without the attribute.
        return Ok(b);
    }
    let Some(axis) = node.opt_int("axis")? else { return Ok(b) };
    let axis = if b_dims.is_empty() { 0 } else { axis_of(axis, a_dims.len())? };
    let Some(after) = a_dims.len().checked_sub(axis + b_dims.len()) else {
        return invalid(format!("dims {b_dims:?} at axis {axis} do not fit into {a_dims:?}"));
    };
    let dims: Vec<usize> = b_dims.into_iter().chain(std::iter::repeat_n(1, after)).collect();
    cx.reshape(b, &dims)
}
