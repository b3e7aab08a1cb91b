//! Flatten, Squeeze, Unsqueeze, Transpose.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axes_of, axis_of, sizes_of};

/// Flatten to a matrix; a negative axis from opset 11 on.
pub fn flatten(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = node.int("axis", 1)?;
    let axis = if axis == dims.len() as i64 { dims.len() } else { axis_of(axis, dims.len())? };
    let matrix = [dims[..axis].iter().product(), dims[axis..].iter().product()];
    Ok(vec![cx.reshape(x, &matrix)?])
}

/// Squeeze: axes are an attribute (opsets 1 to 12) or an operand; without them all axes of size 1 go.
pub fn squeeze(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let mut dims = cx.dims(x);
    let axes = if node.opset < 13 { node.opt_ints("axes")? } else { node.optional_ints_input(cx, 1, "axes")? };
    match axes {
        None => dims.retain(|&d| d != 1),
        Some(axes) => {
            for &axis in axes_of(&axes, dims.len())?.iter().rev() {
                if dims[axis] != 1 {
                    return invalid(format!("axis {axis} of dims {dims:?} is not 1"));
                }
                dims.remove(axis);
            }
        }
    }
    Ok(vec![cx.reshape(x, &dims)?])
}

/// Unsqueeze: axes are an attribute (opsets 1 to 12) or an operand.
pub fn unsqueeze(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let mut dims = cx.dims(x);
    let axes = if node.opset < 13 { node.need_ints("axes")? } else { node.ints_input(cx, 1, "axes")? };
    for axis in axes_of(&axes, dims.len() + axes.len())? {
        dims.insert(axis, 1);
    }
    Ok(vec![cx.reshape(x, &dims)?])
}

/// Transpose; without a permutation the axes are reversed.
pub fn transpose(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let perm = match node.opt_ints("perm")? {
        Some(perm) => sizes_of(&perm, "permutation")?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return invalid(format!("{perm:?} is no permutation of {rank} axes"));
    }
    Ok(vec![cx.transpose(x, &perm)?])
}
