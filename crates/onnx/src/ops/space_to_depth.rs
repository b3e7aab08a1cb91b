//! SpaceToDepth: blocks of pixels to channels, as reshape, transpose, reshape.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use crate::ops::depth_to_space::geometry;

/// SpaceToDepth; `mode` from opset 28 on.
pub fn space_to_depth(cx: &mut Context, node: &Node) -> Results {
    let ([n, c, h, w], b, crd) = geometry(cx, node)?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return invalid(format!("{h} by {w} pixels do not make blocks of {b} by {b}"));
    }
    let perm = if crd { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    let x = cx.reshape(node.input(0)?, &[n, c, h / b, b, w / b, b])?;
    let x = cx.transpose(x, &perm)?;
    Ok(vec![cx.reshape(x, &[n, c * b * b, h / b, w / b])?])
}
