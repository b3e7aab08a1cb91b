//! GatherElements.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;

/// GatherElements.
pub fn gather_elements(cx: &mut Context, node: &Node) -> Results {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    cx.add(Op::GatherElements { axis }, &[data, indices])
}
