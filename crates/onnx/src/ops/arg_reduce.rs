//! ArgMax, ArgMin.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// ArgMax, ArgMin; `select_last_index` from opset 12 on.
pub fn arg_reduce(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int("axis", 0)?, cx.rank(x))?;
    let op = Op::ArgReduce {
        largest: node.op == "ArgMax",
        axis,
        keep_dims: node.flag("keepdims", true)?,
        last: node.flag("select_last_index", false)?,
    };
    cx.add(op, &[x])
}
