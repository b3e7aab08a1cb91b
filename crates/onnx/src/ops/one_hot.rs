//! OneHot: an elementwise operator of the position along the new axis.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of};
use crate::ops::slice::part;
use cnnc_ir::expr::{BinaryOp, ExprBuilder};
use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Scalar};

/// OneHot: along a new axis the second value where the position is the index, else the first.
pub fn one_hot(cx: &mut Context, node: &Node) -> Results {
    let (indices, values) = (node.input(0)?, node.input(2)?);
    let depth = match node.tensor_input(cx, 1, "depth")?.to_i64_vec()[..] {
        [depth] if (0..1 << 40).contains(&depth) => depth,
        ref other => return invalid(format!("operand 'depth' is {other:?}; it must be one size")),
    };
    if cx.ty(values).dims != [2] {
        return invalid(format!("operand 'values' has dims {:?}; it must hold two values", cx.dims(values)));
    }
    let mut dims = cx.dims(indices);
    let axis = axis_of(node.int("axis", -1)?, dims.len() + 1)?;
    dims.insert(axis, 1);
    let indices = cx.cast(DType::I64, indices)?;
    let indices = cx.reshape(indices, &dims)?;
    dims[axis] = depth as usize;
    let (off, on) = (part(cx, values, 0, 0, 1)?, part(cx, values, 0, 1, 1)?);
    let (off, on) = (cx.reshape(off, &[])?, cx.reshape(on, &[])?);
    let mut b = ExprBuilder::default();
    let (index, off_value, on_value) = (b.input(0), b.input(1), b.input(2));
    let (position, depth, zero) = (b.index(axis as u32), b.constant(Scalar::i64(depth)), b.constant(Scalar::i64(0)));
    let negative = b.binary(BinaryOp::Lt, index, zero);
    let raised = b.binary(BinaryOp::Add, index, depth);
    let wanted = b.select(negative, raised, index);
    let here = b.binary(BinaryOp::Eq, wanted, position);
    let result = b.select(here, on_value, off_value);
    cx.add(Op::Map { expr: b.finish(result), dims }, &[indices, off, on])
}
