//! Pad.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::PadMode;
use cnnc_tensor::Scalar;

/// Pads and value are attributes (opsets 1 to 10; `paddings` in opset 1).
pub fn pad_1(cx: &mut Context, node: &Node) -> Results {
    let pads = node.need_ints(if node.opset < 2 { "paddings" } else { "pads" })?;
    let value = node.float("value", 0.0)?;
    let value = Scalar::from_f64(cx.dtype(node.input(0)?), f64::from(value));
    let value = if value.is_true() { Some(cx.scalar(value)) } else { None };
    padded(cx, node, &pads, None, value)
}

/// Pads and value are operands; axes may be too (from opset 18 on).
pub fn pad(cx: &mut Context, node: &Node) -> Results {
    let pads = node.ints_input(cx, 1, "pads")?;
    let axes = node.optional_ints_input(cx, 3, "axes")?;
    padded(cx, node, &pads, axes, node.optional(2))
}

fn padded(
    cx: &mut Context,
    node: &Node,
    pads: &[i64],
    axes: Option<Vec<i64>>,
    value: Option<cnnc_ir::graph::ValueId>,
) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<_, Reason>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return invalid(format!("{} pads for {} axes: two for each are needed", pads.len(), axes.len()));
    }
    let (mut begin, mut end) = (vec![0isize; rank], vec![0isize; rank]);
    for (k, &axis) in axes.iter().enumerate() {
        begin[axis] = pads[k] as isize;
        end[axis] = pads[axes.len() + k] as isize;
    }
    let mode = match node.string("mode", "constant")? {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => return invalid(format!("mode '{other}' is unknown")),
    };
    let mut operands = vec![x];
    if let Some(value) = value.filter(|_| mode == PadMode::Constant) {
        let value = cx.reshape(value, &[])?;
        operands.push(cx.cast(cx.dtype(x), value)?);
    }
    cx.add(Op::Pad { mode, begin, end }, &operands)
}
