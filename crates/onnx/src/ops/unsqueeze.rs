//! Unsqueeze: axes of 1 inserted.

use crate::context::{Context, Results};
use crate::error::Reason;
use crate::node::{Node, axes_of};
use cnnc_ir::graph::ValueId;

/// Unsqueeze with axes as an attribute (opsets 1 to 12).
pub fn unsqueeze_1(cx: &mut Context, node: &Node) -> Results {
    let (x, axes) = (node.input(0)?, node.need_ints("axes")?);
    Ok(vec![unsqueezed(cx, x, &axes)?])
}

/// Unsqueeze with axes as an operand.
pub fn unsqueeze(cx: &mut Context, node: &Node) -> Results {
    let (x, axes) = (node.input(0)?, node.ints_input(cx, 1, "axes")?);
    Ok(vec![unsqueezed(cx, x, &axes)?])
}

fn unsqueezed(cx: &mut Context, x: ValueId, axes: &[i64]) -> Result<ValueId, Reason> {
    let from = cx.dims(x);
    let axes = axes_of(axes, from.len() + axes.len())?;
    let mut dims = from;
    // Sorted, so that each place is final when it is filled.
    for axis in axes {
        dims.insert(axis, 1);
    }
    cx.reshape(x, &dims)
}
