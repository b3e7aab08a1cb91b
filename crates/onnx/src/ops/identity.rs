//! Identity.

use crate::context::{Context, Results};
use crate::node::Node;

/// Identity.
pub fn identity(_: &mut Context, node: &Node) -> Results {
    Ok(vec![node.input(0)?])
}
