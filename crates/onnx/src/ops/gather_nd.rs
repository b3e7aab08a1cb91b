//! GatherND.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::graph::Op;
use cnnc_tensor::DType;

/// GatherND; `batch_dims` from opset 12 on.
pub fn gather_nd(cx: &mut Context, node: &Node) -> Results {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let indices = cx.cast(DType::I64, indices)?;
    let batch = node.int("batch_dims", 0)?;
    let Some(batch_dims) = usize::try_from(batch).ok().filter(|&b| b < cx.rank(data) && b < cx.rank(indices)) else {
        return invalid(format!("attribute 'batch_dims' is {batch} for data of dims {:?}", cx.dims(data)));
    };
    cx.add(Op::GatherNd { batch_dims }, &[data, indices])
}
