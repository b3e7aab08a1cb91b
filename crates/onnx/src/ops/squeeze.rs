//! Squeeze: axes of 1 dropped.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axes_of};
use cnnc_ir::graph::ValueId;

/// Squeeze with axes as an attribute (opsets 1 to 12).
pub fn squeeze_1(cx: &mut Context, node: &Node) -> Results {
    let (x, axes) = (node.input(0)?, node.opt_ints("axes")?);
    Ok(vec![squeezed(cx, x, axes)?])
}

/// Squeeze with axes as an optional operand.
pub fn squeeze(cx: &mut Context, node: &Node) -> Results {
    let (x, axes) = (node.input(0)?, node.optional_ints_input(cx, 1, "axes")?);
    Ok(vec![squeezed(cx, x, axes)?])
}

fn squeezed(cx: &mut Context, x: ValueId, axes: Option<Vec<i64>>) -> Result<ValueId, Reason> {
    let dims = cx.dims(x);
    let axes = match axes {
        Some(axes) => axes_of(&axes, dims.len())?,
        None => (0..dims.len()).filter(|&a| dims[a] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&a| dims[a] != 1) {
        return invalid(format!("axis {axis} of dims {dims:?} is not 1"));
    }
    let kept: Vec<usize> = (0..dims.len()).filter(|a| !axes.contains(a)).map(|a| dims[a]).collect();
    cx.reshape(x, &kept)
}
