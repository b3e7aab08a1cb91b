//! InstanceNormalization.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use crate::ops::normalize::normalize;

/// InstanceNormalization: over the spatial axes, scale and bias per channel.
pub fn instance_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    if rank < 3 {
        return invalid(format!("x of dims {:?}: it needs [n, c, spatial..]", cx.dims(x)));
    }
    let (scale, bias) = (node.input(1)?, node.input(2)?);
    let (scale, bias) = (cx.per_channel(scale, rank)?, cx.per_channel(bias, rank)?);
    let epsilon = node.float("epsilon", 1e-5)?;
    Ok(vec![normalize(cx, x, (2..rank).collect(), epsilon, true, Some(scale), Some(bias))?])
}
