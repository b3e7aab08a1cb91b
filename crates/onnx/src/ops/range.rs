//! Range.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Scalar};

/// Most elements of a range.
const MAX_ELEMENTS: f64 = 1e9;

/// `start, start + delta, ...` up to `limit`, all of which must be known at compile time: they decide the length.
pub fn range(cx: &mut Context, node: &Node) -> Results {
    let scalar = |k: usize, name: &str| -> Result<Scalar, Reason> {
        let tensor = node.tensor_input(cx, k, name)?;
        if tensor.count() == 1 { Ok(tensor.get(0)) } else { invalid(format!("operand '{name}' must hold one element")) }
    };
    let (start, limit, delta) = (scalar(0, "start")?, scalar(1, "limit")?, scalar(2, "delta")?);
    let dtype = start.dtype();
    if limit.dtype() != dtype || delta.dtype() != dtype || dtype == DType::Bool {
        return invalid("start, limit and delta must be numbers of one type");
    }
    if !delta.is_true() {
        return invalid("delta is 0");
    }
    let count = ((limit.to_f64() - start.to_f64()) / delta.to_f64()).ceil().max(0.0);
    if count.is_nan() || count > MAX_ELEMENTS {
        return invalid(format!("a range from {start} to {limit} by {delta} is too long"));
    }
    let mut b = ExprBuilder::default();
    let index = b.index(0);
    let index = b.cast(dtype, index);
    let (start, delta) = (b.constant(start), b.constant(delta));
    let offset = b.binary(BinaryOp::Mul, index, delta);
    let value = b.binary(BinaryOp::Add, start, offset);
    cx.add(Op::Map { expr: b.finish(value), dims: vec![count as usize] }, &[])
}
