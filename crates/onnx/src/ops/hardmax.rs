//! Hardmax: 1 at the first largest element. Up to opset 12 the tensor is taken as a matrix, split at the axis.

use crate::context::{Context, Results};
use crate::error::Reason;
use crate::node::{Node, axis_of};
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::DType;

/// Hardmax along all axes from the given one on (opsets 1 to 12).
pub fn hardmax_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = axis_of(node.int("axis", 1)?, dims.len())?;
    let matrix = cx.reshape(x, &[dims[..axis].iter().product(), dims[axis..].iter().product()])?;
    let hard = first_largest(cx, matrix, 1)?;
    Ok(vec![cx.reshape(hard, &dims)?])
}

/// Hardmax along one axis (opset 13 and later).
pub fn hardmax(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axis = axis_of(node.int("axis", -1)?, cx.rank(x))?;
    Ok(vec![first_largest(cx, x, axis)?])
}

/// 1 where the first largest element along an axis stands, else 0.
fn first_largest(cx: &mut Context, x: ValueId, axis: usize) -> Result<ValueId, Reason> {
    let (dtype, dims) = (cx.dtype(x), cx.dims(x));
    let largest = cx.add1(Op::ArgReduce { largest: true, axis, keep_dims: true, last: false }, &[x])?;
    let mut b = ExprBuilder::default();
    let (at, index) = (b.input(0), b.index(axis as u32));
    let equal = b.binary(BinaryOp::Eq, at, index);
    let result = if dtype == DType::Bool { equal } else { b.cast(dtype, equal) };
    cx.add1(Op::Map { expr: b.finish(result), dims }, &[largest])
}
