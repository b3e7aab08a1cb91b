//! Tile: a tensor repeated.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of, sizes_of};
use cnnc_ir::graph::ValueId;

/// Tile of opsets 1 to 5: `tiles` times along one axis.
pub fn tile_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let scalar = |k: usize, name: &str| -> Result<i64, Reason> {
        match node.tensor_input(cx, k, name)?.to_i64_vec()[..] {
            [one] => Ok(one),
            _ => invalid(format!("operand '{name}' must hold one element")),
        }
    };
    let (tiles, axis) = (scalar(1, "tiles")?, axis_of(scalar(2, "axis")?, rank)?);
    let mut repeats = vec![1; rank];
    repeats[axis] = tiles;
    Ok(vec![tiled(cx, x, &repeats)?])
}

/// Tile from opset 6 on: one count per axis.
pub fn tile(cx: &mut Context, node: &Node) -> Results {
    let (x, repeats) = (node.input(0)?, node.ints_input(cx, 1, "repeats")?);
    Ok(vec![tiled(cx, x, &repeats)?])
}

/// Each repeated axis gets one of 1 before it, which is broadcast and then joined to it.
fn tiled(cx: &mut Context, x: ValueId, repeats: &[i64]) -> Result<ValueId, Reason> {
    let dims = cx.dims(x);
    let repeats = sizes_of(repeats, "repeats")?;
    if repeats.len() != dims.len() {
        return invalid(format!("repeats {repeats:?} for dims {dims:?}"));
    }
    let (mut split, mut wide, mut joined) = (vec![], vec![], vec![]);
    for (&size, &count) in dims.iter().zip(&repeats) {
        if count != 1 {
            split.push(1);
            wide.push(count);
        }
        split.push(size);
        wide.push(size);
        joined.push(size.saturating_mul(count));
    }
    let x = cx.reshape(x, &split)?;
    let x = cx.broadcast(x, &wide)?;
    cx.reshape(x, &joined)
}
