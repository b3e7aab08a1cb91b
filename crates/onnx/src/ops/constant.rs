//! Constant, in all its forms but text.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_tensor::{Scalar, Tensor};

/// Constant.
pub fn constant(cx: &mut Context, node: &Node) -> Results {
    let tensor = if let Some(tensor) = node.opt_tensor("value")? {
        tensor
    } else if let Some(tensor) = node.opt_sparse_tensor("sparse_value")? {
        tensor
    } else if let Some(value) = node.opt_float("value_float")? {
        Tensor::scalar(Scalar::f32(value))
    } else if let Some(values) = node.opt_floats("value_floats")? {
        Tensor::from_vec(&[values.len()], &values)?
    } else if let Some(value) = node.opt_int("value_int")? {
        Tensor::scalar(Scalar::i64(value))
    } else if let Some(values) = node.opt_ints("value_ints")? {
        Tensor::from_vec(&[values.len()], &values)?
    } else if node.has("value_string") || node.has("value_strings") {
        return invalid("constants of text are not supported");
    } else {
        return invalid("the node has no attribute that holds a value");
    };
    Ok(vec![cx.constant(tensor)])
}
