//! ConstantOfShape.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, sizes_of};
use cnnc_tensor::{Scalar, Tensor};

/// ConstantOfShape.
pub fn constant_of_shape(cx: &mut Context, node: &Node) -> Results {
    let dims = sizes_of(&node.ints_input(cx, 0, "input")?, "shape")?;
    let value = match node.opt_tensor("value")? {
        None => Tensor::scalar(Scalar::f32(0.0)),
        Some(tensor) if tensor.count() == 1 => tensor.reshaped(&[])?,
        Some(tensor) => return invalid(format!("attribute 'value' has {} elements", tensor.count())),
    };
    let value = cx.constant(value);
    Ok(vec![cx.broadcast(value, &dims)?])
}
