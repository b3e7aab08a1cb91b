//! RMSNormalization.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use crate::ops::normalize::normalize;

/// RMSNormalization: over the axes from `axis` on, without subtracting the mean.
pub fn rms_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axes = (axis_of(node.int("axis", -1)?, rank)?..rank).collect();
    let (dtype, scale) = (cx.dtype(x), node.input(1)?);
    let scale = cx.cast(dtype, scale)?;
    let epsilon = node.float("epsilon", 1e-5)?;
    Ok(vec![normalize(cx, x, axes, epsilon, false, Some(scale), None)?])
}
