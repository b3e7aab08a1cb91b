//! Gather.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use crate::ops::slice::part;
use cnnc_ir::graph::Op;

/// Gather; one constant index is a slice.
pub fn gather(cx: &mut Context, node: &Node) -> Results {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let dims = cx.dims(data);
    let axis = axis_of(node.int("axis", 0)?, dims.len())?;
    let single = cx.graph.constant(indices).filter(|t| t.count() == 1).map(|t| t.get(0).to_i64());
    let Some(index) = single else { return cx.add(Op::Gather { axis }, &[data, indices]) };
    let size = dims[axis];
    let from_start = if index < 0 { index.saturating_add(size as i64) } else { index };
    let Some(at) = usize::try_from(from_start).ok().filter(|&i| i < size) else {
        return invalid(format!("index {index} is outside axis {axis} of dims {dims:?}"));
    };
    let one = part(cx, data, axis, at, 1)?;
    let mut result = dims[..axis].to_vec();
    result.extend(cx.dims(indices));
    result.extend(&dims[axis + 1..]);
    Ok(vec![cx.reshape(one, &result)?])
}
