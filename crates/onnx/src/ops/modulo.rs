//! Mod: remainder with the divisor's sign, or with `fmod` the dividend's.

use crate::context::{Context, Results};
use crate::node::Node;
use cnnc_ir::expr::BinaryOp;

/// Mod.
pub fn modulo(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let op = if node.flag("fmod", false)? { BinaryOp::Rem } else { BinaryOp::Mod };
    Ok(vec![cx.binary(op, a, b)?])
}
