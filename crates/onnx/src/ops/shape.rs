//! Shape: a constant, since dims are static.

use crate::context::{Context, Results};
use crate::node::Node;

/// Shape; from opset 15 on a part of it.
pub fn shape(cx: &mut Context, node: &Node) -> Results {
    let dims: Vec<i64> = cx.dims(node.input(0)?).iter().map(|&d| d as i64).collect();
    let rank = dims.len() as i64;
    let place = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (place(node.int("start", 0)?), place(node.int("end", rank)?));
    Ok(vec![cx.ints(&dims[start..end.max(start)])?])
}
