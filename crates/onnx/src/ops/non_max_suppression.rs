//! NonMaxSuppression: how many rows its result has depends on data, so they come with a count.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::graph::Op;

/// NonMaxSuppression; the thresholds and the number of boxes must be constant.
pub fn non_max_suppression(cx: &mut Context, node: &Node) -> Results {
    let (boxes, scores) = (node.input(0)?, node.input(1)?);
    let per_class = match node.optional(2) {
        None => 0,
        Some(_) => node.int_input(cx, 2, "max_output_boxes_per_class")?,
    };
    // No more than all boxes can be selected; a negative number selects none.
    let limit = cx.ty(boxes).dims.get(1).copied().unwrap_or(0);
    let per_class = usize::try_from(per_class).map_or(0, |n| n.min(limit));
    let threshold = |cx: &Context, k: usize, name: &str, default: f32| -> Result<f32, Reason> {
        if node.optional(k).is_none() {
            return Ok(default);
        }
        match node.tensor_input(cx, k, name)?.to_f64_vec()[..] {
            [one] => Ok(one as f32),
            _ => invalid(format!("operand '{name}' must hold one element")),
        }
    };
    let op = Op::NonMaxSuppression {
        center_point: node.flag("center_point_box", false)?,
        per_class,
        iou_threshold: threshold(cx, 3, "iou_threshold", 0.0)?.to_bits(),
        score_threshold: threshold(cx, 4, "score_threshold", f32::NEG_INFINITY)?.to_bits(),
    };
    let results = cx.add(op, &[boxes, scores])?;
    if let [selected, count] = results[..] {
        cx.extents.insert(selected, count);
    }
    Ok(vec![results[0]])
}
