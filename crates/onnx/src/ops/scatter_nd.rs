//! ScatterND.

use crate::context::{Context, Results};
use crate::node::Node;
use crate::ops::scatter_elements::kind;
use cnnc_ir::graph::Op;
use cnnc_tensor::DType;

/// ScatterND.
pub fn scatter_nd(cx: &mut Context, node: &Node) -> Results {
    let (data, indices, updates) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let indices = cx.cast(DType::I64, indices)?;
    cx.add(Op::ScatterNd { kind: kind(node)? }, &[data, indices, updates])
}
