//! Flatten: a matrix, split at the axis.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};

/// Flatten to a matrix, split at the axis.
pub fn flatten(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = node.int("axis", 1)?;
    let axis = if axis == dims.len() as i64 { dims.len() } else { axis_of(axis, dims.len())? };
    Ok(vec![cx.reshape(x, &[dims[..axis].iter().product(), dims[axis..].iter().product()])?])
}
