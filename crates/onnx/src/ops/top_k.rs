//! TopK.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// TopK with k as an attribute (opsets 1 to 9).
pub fn top_k_1(cx: &mut Context, node: &Node) -> Results {
    let k = node.need_int("k")?;
    top(cx, node, k)
}

/// TopK with k as an operand; `largest` from opset 11 on. The result is sorted whether that is asked for or not.
pub fn top_k(cx: &mut Context, node: &Node) -> Results {
    let k = node.int_input(cx, 1, "K")?;
    top(cx, node, k)
}

fn top(cx: &mut Context, node: &Node, k: i64) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = axis_of(node.int("axis", -1)?, dims.len())?;
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= dims[axis]) else {
        return invalid(format!("k is {k} for axis {axis} of dims {dims:?}"));
    };
    cx.add(Op::TopK { k, axis, largest: node.flag("largest", true)? }, &[x])
}
