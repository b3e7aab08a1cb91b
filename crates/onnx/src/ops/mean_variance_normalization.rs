//! MeanVarianceNormalization.

use crate::context::{Context, Results};
use crate::node::{Node, axes_of};
use crate::ops::normalize::normalize;

/// MeanVarianceNormalization: `(x - mean) / (deviation + 1e-9)`; the constant only keeps a zero deviation from 0/0.
pub fn mean_variance_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axes = axes_of(&node.opt_ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), cx.rank(x))?;
    Ok(vec![normalize(cx, x, axes, 1e-18, true, None, None)?])
}
