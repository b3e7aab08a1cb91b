//! Flatten, Squeeze and Unsqueeze: the same elements under other dims.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axes_of, axis_of};
use cnnc_ir::graph::ValueId;

/// Flatten to a matrix, split at the axis.
pub fn flatten(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = node.int("axis", 1)?;
    let axis = if axis == dims.len() as i64 { dims.len() } else { axis_of(axis, dims.len())? };
    Ok(vec![cx.reshape(x, &[dims[..axis].iter().product(), dims[axis..].iter().product()])?])
}

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
