//! Gather, GatherElements, GatherND.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::DType;

/// Gather along an axis.
pub fn gather(cx: &mut Context, node: &Node) -> Results {
    let data = node.input(0)?;
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    let indices = indices(cx, node)?;
    cx.add(Op::Gather { axis }, &[data, indices])
}

/// GatherElements.
pub fn gather_elements(cx: &mut Context, node: &Node) -> Results {
    let data = node.input(0)?;
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    let indices = indices(cx, node)?;
    cx.add(Op::GatherElements { axis }, &[data, indices])
}

/// GatherND; `batch_dims` from opset 12 on.
pub fn gather_nd(cx: &mut Context, node: &Node) -> Results {
    let data = node.input(0)?;
    let batch_dims = node.int("batch_dims", 0)?;
    let indices = indices(cx, node)?;
    match usize::try_from(batch_dims) {
        Ok(batch_dims) => cx.add(Op::GatherNd { batch_dims }, &[data, indices]),
        Err(_) => invalid(format!("batch_dims {batch_dims} is negative")),
    }
}

/// The second operand as i64.
pub(super) fn indices(cx: &mut Context, node: &Node) -> Result<ValueId, Reason> {
    let indices = node.input(1)?;
    if !cx.dtype(indices).is_int() {
        return invalid(format!("indices must be integers, not {}", cx.dtype(indices)));
    }
    cx.cast(DType::I64, indices)
}
