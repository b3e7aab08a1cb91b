//! ScatterElements, once called Scatter.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::ScatterKind;

/// The attribute `reduction`, from opset 16 on.
pub fn kind(node: &Node) -> Result<ScatterKind, Reason> {
    Ok(match node.string("reduction", "none")? {
        "none" => ScatterKind::Replace,
        "add" => ScatterKind::Add,
        "mul" => ScatterKind::Mul,
        "max" => ScatterKind::Max,
        "min" => ScatterKind::Min,
        other => return invalid(format!("attribute 'reduction' is '{other}', which is unknown")),
    })
}

/// ScatterElements.
pub fn scatter_elements(cx: &mut Context, node: &Node) -> Results {
    let (data, indices, updates) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    cx.add(Op::ScatterElements { axis, kind: kind(node)? }, &[data, indices, updates])
}
