//! Expand: a tensor broadcast.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, sizes_of};
use cnnc_tensor::broadcast_dims;

/// Expand: operand and shape broadcast to each other.
pub fn expand(cx: &mut Context, node: &Node) -> Results {
    let (x, shape) = (node.input(0)?, node.ints_input(cx, 1, "shape")?);
    let shape = sizes_of(&shape, "shape")?;
    let from = cx.dims(x);
    let Some(dims) = broadcast_dims(&from, &shape) else {
        return invalid(format!("dims {from:?} do not broadcast with shape {shape:?}"));
    };
    Ok(vec![cx.broadcast(x, &dims)?])
}
