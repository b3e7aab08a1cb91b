//! Shape and Size: constants, since dims are static.

use crate::context::{Context, Results};
use crate::node::Node;
use cnnc_tensor::Scalar;

/// Shape, or from opset 15 on a part of it.
pub fn shape(cx: &mut Context, node: &Node) -> Results {
    let dims = cx.dims(node.input(0)?);
    let rank = dims.len() as i64;
    let bound = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
    let (start, end) = (bound(node.int("start", 0)?), bound(node.int("end", rank)?));
    let part: Vec<i64> = dims[start..end.max(start)].iter().map(|&d| d as i64).collect();
    Ok(vec![cx.ints(&part)?])
}

/// The number of elements.
pub fn size(cx: &mut Context, node: &Node) -> Results {
    let count = cx.ty(node.input(0)?).count();
    Ok(vec![cx.scalar(Scalar::i64(count as i64))])
}
