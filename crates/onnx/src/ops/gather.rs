//! Gather, GatherElements and GatherND.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use crate::ops::slice::part;
use cnnc_ir::graph::Op;
use cnnc_tensor::DType;

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

/// GatherElements.
pub fn gather_elements(cx: &mut Context, node: &Node) -> Results {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    cx.add(Op::GatherElements { axis }, &[data, indices])
}

/// GatherND; `batch_dims` from opset 12 on.
pub fn gather_nd(cx: &mut Context, node: &Node) -> Results {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let indices = cx.cast(DType::I64, indices)?;
    let batch = node.int("batch_dims", 0)?;
    let Some(batch_dims) = usize::try_from(batch).ok().filter(|&b| b < cx.rank(data) && b < cx.rank(indices)) else {
        return invalid(format!("attribute 'batch_dims' is {batch} for data of dims {:?}", cx.dims(data)));
    };
    cx.add(Op::GatherNd { batch_dims }, &[data, indices])
}
