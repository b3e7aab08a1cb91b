//! Pad.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::Scalar;

/// Pad of opset 1.
pub fn pad_1(cx: &mut Context, node: &Node) -> Results {
    let pads = node.need_ints("paddings")?;
    by_attributes(cx, node, &pads)
}

/// Pads and value as attributes (opsets 2 to 10).
pub fn pad_2(cx: &mut Context, node: &Node) -> Results {
    let pads = node.need_ints("pads")?;
    by_attributes(cx, node, &pads)
}

fn by_attributes(cx: &mut Context, node: &Node, pads: &[i64]) -> Results {
    let x = node.input(0)?;
    let value = Scalar::from_f64(cx.dtype(x), f64::from(node.float("value", 0.0)?));
    let value = cx.scalar(value);
    padded(cx, node, x, pads, Some(value), None)
}

/// Pads, value and axes as operands (opset 11 and later; axes from 18 on).
pub fn pad(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let pads = node.ints_input(cx, 1, "pads")?;
    let axes = node.optional_ints_input(cx, 3, "axes")?;
    padded(cx, node, x, &pads, node.optional(2), axes)
}

fn padded(
    cx: &mut Context,
    node: &Node,
    x: ValueId,
    pads: &[i64],
    value: Option<ValueId>,
    axes: Option<Vec<i64>>,
) -> Results {
    let mode = match node.string("mode", "constant")? {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => return invalid(format!("attribute 'mode' is '{other}', which is unknown")),
    };
    let rank = cx.rank(x);
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<_, Reason>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return invalid(format!("pads {pads:?} for {} axes", axes.len()));
    }
    let (mut begin, mut end) = (vec![0; rank], vec![0; rank]);
    for (k, &axis) in axes.iter().enumerate() {
        let limit = 1i64 << 40;
        if pads[k].abs_diff(0) > limit as u64 || pads[k + axes.len()].abs_diff(0) > limit as u64 {
            return invalid(format!("pads {pads:?} are larger than memory"));
        }
        (begin[axis], end[axis]) = (pads[k] as isize, pads[k + axes.len()] as isize);
    }
    if begin.iter().chain(&end).all(|&p| p == 0) {
        return Ok(vec![x]);
    }
    let zero = |v: &ValueId| cx.graph.constant(*v).is_some_and(|t| t.bytes().iter().all(|&b| b == 0));
    let value = value.filter(|v| mode == PadMode::Constant && !zero(v));
    let operands: Vec<ValueId> = std::iter::once(x).chain(value).collect();
    cx.add(Op::Pad { mode, begin, end }, &operands)
}
