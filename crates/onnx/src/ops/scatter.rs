//! ScatterElements (Scatter before opset 11) and ScatterND.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use crate::ops::gather::indices;
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::ScatterKind;

/// ScatterElements; `reduction` from opset 16 on.
pub fn scatter_elements(cx: &mut Context, node: &Node) -> Results {
    let (data, updates) = (node.input(0)?, node.input(2)?);
    let axis = axis_of(node.int("axis", 0)?, cx.rank(data))?;
    let kind = kind_of(node)?;
    let indices = indices(cx, node)?;
    cx.add(Op::ScatterElements { axis, kind }, &[data, indices, updates])
}

/// ScatterND; `reduction` from opset 16 on.
pub fn scatter_nd(cx: &mut Context, node: &Node) -> Results {
    let (data, updates) = (node.input(0)?, node.input(2)?);
    let kind = kind_of(node)?;
    let indices = indices(cx, node)?;
    cx.add(Op::ScatterNd { kind }, &[data, indices, updates])
}

fn kind_of(node: &Node) -> Result<ScatterKind, Reason> {
    match node.string("reduction", "none")? {
        "none" => Ok(ScatterKind::Replace),
        "add" => Ok(ScatterKind::Add),
        "mul" => Ok(ScatterKind::Mul),
        "max" => Ok(ScatterKind::Max),
        "min" => Ok(ScatterKind::Min),
        other => invalid(format!("reduction '{other}' is unknown")),
    }
}
