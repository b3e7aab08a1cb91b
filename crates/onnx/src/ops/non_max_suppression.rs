//! NonMaxSuppression: its result's first axis depends on data, so it has the largest size and an extent.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::graph::Op;

/// NonMaxSuppression; counts and thresholds must be known at compile time.
pub fn non_max_suppression(cx: &mut Context, node: &Node) -> Results {
    let (boxes, scores) = (node.input(0)?, node.input(1)?);
    let per_class = match node.optional(2) {
        Some(_) => node.int_input(cx, 2, "max_output_boxes_per_class")?.max(0),
        None => 0,
    };
    let iou = threshold(cx, node, 3, "iou_threshold")?.unwrap_or(0.0);
    let score = threshold(cx, node, 4, "score_threshold")?.unwrap_or(f32::NEG_INFINITY);
    let op = Op::NonMaxSuppression {
        center_point: node.flag("center_point_box", false)?,
        per_class: per_class.min(i64::from(i32::MAX)) as usize,
        iou_threshold: iou.to_bits(),
        score_threshold: score.to_bits(),
    };
    let results = cx.add(op, &[boxes, scores])?;
    cx.extents.insert(results[0], results[1]);
    Ok(vec![results[0]])
}

fn threshold(cx: &Context, node: &Node, k: usize, name: &str) -> Result<Option<f32>, Reason> {
    if node.optional(k).is_none() {
        return Ok(None);
    }
    let tensor = node.tensor_input(cx, k, name)?;
    if tensor.count() != 1 {
        return invalid(format!("operand '{name}' must hold one element, not {}", tensor.count()));
    }
    Ok(Some(tensor.get(0).to_f64() as f32))
}
