//! CumSum.

use crate::context::{Context, Results};
use crate::error::Reason;
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// CumSum.
pub fn cum_sum(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int_input(cx, 1, "axis")?, cx.rank(x))?;
    let (exclusive, reverse): (Result<bool, Reason>, _) = (node.flag("exclusive", false), node.flag("reverse", false));
    cx.add(Op::CumSum { axis, exclusive: exclusive?, reverse: reverse? }, &[x])
}
