//! Where.

use crate::context::{Context, Results};
use crate::node::Node;

/// Where.
pub fn select(cx: &mut Context, node: &Node) -> Results {
    let operands = [node.input(0)?, node.input(1)?, node.input(2)?];
    Ok(vec![cx.map(&operands, |b, v| b.select(v[0], v[1], v[2]))?])
}
