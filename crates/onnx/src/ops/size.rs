//! Size: a constant, since dims are static.

use crate::context::{Context, Results};
use crate::node::Node;
use cnnc_tensor::Scalar;

/// Size.
pub fn size(cx: &mut Context, node: &Node) -> Results {
    let count = cx.ty(node.input(0)?).count();
    Ok(vec![cx.scalar(Scalar::i64(count as i64))])
}
