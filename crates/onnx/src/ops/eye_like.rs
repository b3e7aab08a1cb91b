//! EyeLike: an elementwise operator of the position.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Scalar};

/// EyeLike: ones on the k-th diagonal.
pub fn eye_like(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let (dims, dtype) = (cx.dims(x), node.opt_dtype("dtype")?.unwrap_or(cx.dtype(x)));
    if dims.len() != 2 {
        return invalid(format!("x of dims {dims:?} must be a matrix"));
    }
    let mut b = ExprBuilder::default();
    let (row, column, k) = (b.index(0), b.index(1), b.constant(Scalar::i64(node.int("k", 0)?)));
    let diagonal = b.binary(BinaryOp::Sub, column, row);
    let on = b.binary(BinaryOp::Eq, diagonal, k);
    let result = if dtype == DType::Bool { on } else { b.cast(dtype, on) };
    cx.add(Op::Map { expr: b.finish(result), dims }, &[])
}
