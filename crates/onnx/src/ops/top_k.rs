//! TopK.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// `k` is an attribute (opsets 1 to 9).
pub fn top_k_1(cx: &mut Context, node: &Node) -> Results {
    let k = node.need_int("k")?;
    top(cx, node, k)
}

/// `k` is an operand that must be known at compile time. Results are always sorted, which `sorted=0` allows.
pub fn top_k(cx: &mut Context, node: &Node) -> Results {
    let k = node.int_input(cx, 1, "K")?;
    top(cx, node, k)
}

fn top(cx: &mut Context, node: &Node, k: i64) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int("axis", -1)?, cx.rank(x))?;
    let Ok(k) = usize::try_from(k) else { return invalid(format!("k {k} is negative")) };
    cx.add(Op::TopK { k, axis, largest: node.flag("largest", true)? }, &[x])
}
