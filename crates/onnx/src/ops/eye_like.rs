//! EyeLike and Trilu: comparisons of coordinates.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::Scalar;

/// EyeLike: ones on the k-th diagonal of a matrix of the operand's dims.
pub fn eye_like(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    if dims.len() != 2 {
        return invalid(format!("operand must be a matrix, not of dims {dims:?}"));
    }
    let dtype = node.opt_dtype("dtype")?.unwrap_or_else(|| cx.dtype(x));
    let k = node.int("k", 0)?;
    let mut b = ExprBuilder::default();
    let (row, column) = (b.index(0), b.index(1));
    let k = b.constant(Scalar::i64(k));
    let diagonal = b.binary(BinaryOp::Add, row, k);
    let on = b.binary(BinaryOp::Eq, column, diagonal);
    let value = b.cast(dtype, on);
    cx.add(Op::Map { expr: b.finish(value), dims }, &[])
}

/// Trilu: the upper or lower triangle of the last two axes, zeros elsewhere. `k` must be known at compile time.
pub fn trilu(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let (rank, dtype) = (cx.rank(x), cx.dtype(x));
    if rank < 2 {
        return invalid(format!("operand must have two axes or more, not dims {:?}", cx.dims(x)));
    }
    let k = if node.optional(1).is_some() { node.int_input(cx, 1, "k")? } else { 0 };
    let upper = node.flag("upper", true)?;
    let mut b = ExprBuilder::default();
    let element = b.input(0);
    let (row, column) = (b.index(rank as u32 - 2), b.index(rank as u32 - 1));
    let k = b.constant(Scalar::i64(k));
    let diagonal = b.binary(BinaryOp::Add, row, k);
    let (low, high) = if upper { (diagonal, column) } else { (column, diagonal) };
    let inside = b.binary(BinaryOp::Le, low, high);
    let zero = b.constant(Scalar::from_bits(dtype, 0));
    let value = b.select(inside, element, zero);
    cx.add(Op::map(b.finish(value)), &[x])
}
