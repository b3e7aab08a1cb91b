//! LRN.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::graph::Op;

/// LRN across channels.
pub fn lrn(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let size = node.need_int("size")?;
    let Some(size) = usize::try_from(size).ok().filter(|&s| s > 0 && s < 1 << 31) else {
        return invalid(format!("attribute 'size' is {size}"));
    };
    let (alpha, beta, bias) = (node.float("alpha", 1e-4)?, node.float("beta", 0.75)?, node.float("bias", 1.0)?);
    cx.add(Op::Lrn { size, alpha: alpha.to_bits(), beta: beta.to_bits(), bias: bias.to_bits() }, &[x])
}
