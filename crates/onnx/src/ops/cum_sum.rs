//! CumSum.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// Running sums along an axis that must be known at compile time.
pub fn cum_sum(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int_input(cx, 1, "axis")?, cx.rank(x))?;
    cx.add(Op::CumSum { axis, exclusive: node.flag("exclusive", false)?, reverse: node.flag("reverse", false)? }, &[x])
}
