//! Trilu: an elementwise operator of the position.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::BinaryOp;
use cnnc_tensor::Scalar;

/// Trilu: the part above (or below) the k-th diagonal of the last two axes, else zero.
pub fn trilu(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x) as u32;
    if rank < 2 {
        return invalid(format!("x of dims {:?} has no diagonal", cx.dims(x)));
    }
    let k = match node.optional(1) {
        None => cx.scalar(Scalar::i64(0)),
        Some(k) => cx.reshape(k, &[])?,
    };
    let (upper, zero) = (node.flag("upper", true)?, Scalar::from_i64(cx.dtype(x), 0));
    let y = cx.map(&[x, k], |b, v| {
        let (row, column, zero) = (b.index(rank - 2), b.index(rank - 1), b.constant(zero));
        let diagonal = b.binary(BinaryOp::Sub, column, row);
        let kept = if upper { b.binary(BinaryOp::Le, v[1], diagonal) } else { b.binary(BinaryOp::Le, diagonal, v[1]) };
        b.select(kept, v[0], zero)
    })?;
    Ok(vec![y])
}
