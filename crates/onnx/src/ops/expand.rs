//! Expand and Tile.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of, sizes_of};
use cnnc_ir::graph::ValueId;

/// Expand: the operand and the shape broadcast to each other.
pub fn expand(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let shape = sizes_of(&node.ints_input(cx, 1, "shape")?, "shape")?;
    match cnnc_tensor::broadcast_dims(&cx.dims(x), &shape) {
        Some(dims) => Ok(vec![cx.broadcast(x, &dims)?]),
        None => invalid(format!("dims {:?} do not broadcast to shape {shape:?}", cx.dims(x))),
    }
}

/// Tile with `repeats` for each axis: every axis is broadcast along a new one before it.
pub fn tile(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let repeats = sizes_of(&node.ints_input(cx, 1, "repeats")?, "repeats")?;
    let dims = cx.dims(x);
    if repeats.len() != dims.len() {
        return invalid(format!("{} repeats for an operand of dims {dims:?}", repeats.len()));
    }
    Ok(vec![tiled(cx, x, &repeats)?])
}

/// Tile of opset 1: `tiles` along one `axis`.
pub fn tile_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int_input(cx, 2, "axis")?, cx.rank(x))?;
    let mut repeats = vec![1; cx.rank(x)];
    repeats[axis] = sizes_of(&[node.int_input(cx, 1, "tiles")?], "tiles")?[0];
    Ok(vec![tiled(cx, x, &repeats)?])
}

fn tiled(cx: &mut Context, x: ValueId, repeats: &[usize]) -> Result<ValueId, Reason> {
    let dims = cx.dims(x);
    let split: Vec<usize> = dims.iter().flat_map(|&d| [1, d]).collect();
    let spread: Vec<usize> = dims.iter().zip(repeats).flat_map(|(&d, &r)| [r, d]).collect();
    let Some(joined) = dims.iter().zip(repeats).map(|(d, r)| d.checked_mul(*r)).collect::<Option<Vec<usize>>>() else {
        return invalid(format!("repeats {repeats:?} of dims {dims:?} overflow"));
    };
    let x = cx.reshape(x, &split)?;
    let x = cx.broadcast(x, &spread)?;
    cx.reshape(x, &joined)
}
