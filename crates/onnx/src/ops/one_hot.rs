//! OneHot: a comparison of the index with the coordinate along a new axis.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Scalar};

/// OneHot; `depth` must be known at compile time, the two values need not. Indices outside `-depth..depth` give the off
/// value everywhere.
pub fn one_hot(cx: &mut Context, node: &Node) -> Results {
    let (indices, values) = (node.input(0)?, node.input(2)?);
    let depth = node.tensor_input(cx, 1, "depth")?;
    let depth = if depth.count() == 1 { depth.get(0).to_i64() } else { -1 };
    let Ok(size) = usize::try_from(depth) else {
        return invalid(format!("depth {depth} is no size"));
    };
    if cx.dims(values) != [2] {
        return invalid(format!("values must be two, not of dims {:?}", cx.dims(values)));
    }
    let mut dims = cx.dims(indices);
    let axis = axis_of(node.int("axis", -1)?, dims.len() + 1)?;
    dims.insert(axis, 1);
    let indices = cx.cast(DType::I64, indices)?;
    let indices = cx.reshape(indices, &dims)?;
    let pick = |cx: &mut Context, start: usize| -> Result<_, crate::error::Reason> {
        let op = Op::Slice { starts: vec![start], steps: vec![1], dims: vec![1] };
        let one = cx.add1(op, &[values])?;
        cx.reshape(one, &[])
    };
    let (off, on) = (pick(cx, 0)?, pick(cx, 1)?);
    let mut b = ExprBuilder::default();
    let (index, off_value, on_value) = (b.input(0), b.input(1), b.input(2));
    let (zero, depth) = (b.constant(Scalar::i64(0)), b.constant(Scalar::i64(depth)));
    let negative = b.binary(BinaryOp::Lt, index, zero);
    let wrapped = b.binary(BinaryOp::Add, index, depth);
    let index = b.select(negative, wrapped, index);
    let coordinate = b.index(axis as u32);
    let hot = b.binary(BinaryOp::Eq, index, coordinate);
    let value = b.select(hot, on_value, off_value);
    dims[axis] = size;
    cx.add(Op::Map { expr: b.finish(value), dims }, &[indices, off, on])
}
