//! ConstantOfShape.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, sizes_of};
use cnnc_ir::graph::Op;
use cnnc_tensor::Scalar;

/// A tensor filled with one value, f32 zero by default.
pub fn constant_of_shape(cx: &mut Context, node: &Node) -> Results {
    let dims = sizes_of(&node.ints_input(cx, 0, "input")?, "dims")?;
    let value = match node.opt_tensor("value")? {
        None => Scalar::f32(0.0),
        Some(tensor) if tensor.count() == 1 => tensor.get(0),
        Some(tensor) => return invalid(format!("attribute 'value' must hold one element, not {}", tensor.count())),
    };
    let value = cx.scalar(value);
    cx.add(Op::Broadcast { dims }, &[value])
}
