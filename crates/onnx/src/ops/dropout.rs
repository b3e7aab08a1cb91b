//! Dropout: the identity at inference.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_tensor::{DType, Scalar};

/// Dropout of opsets 1 to 9: its mask has the operand's type.
pub fn dropout_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dtype = cx.dtype(x);
    dropped(cx, node, dtype)
}

/// Dropout of opset 10.
pub fn dropout_10(cx: &mut Context, node: &Node) -> Results {
    dropped(cx, node, DType::Bool)
}

/// Dropout with operands `ratio` and `training_mode` (opset 12 and later).
pub fn dropout(cx: &mut Context, node: &Node) -> Results {
    let training = match node.optional(2) {
        Some(_) => node.tensor_input(cx, 2, "training_mode")?.to_i64_vec().first().is_some_and(|&v| v != 0),
        None => false,
    };
    if training {
        let ratio = match node.optional(1) {
            Some(_) => node.tensor_input(cx, 1, "ratio")?.to_f64_vec().first().copied().unwrap_or(0.5),
            None => 0.5,
        };
        if ratio != 0.0 {
            return invalid(format!("training mode with ratio {ratio} is random; export the model for inference"));
        }
    }
    dropped(cx, node, DType::Bool)
}

/// The operand itself, and a mask that keeps everything.
fn dropped(cx: &mut Context, node: &Node, mask: DType) -> Results {
    let x = node.input(0)?;
    let mut results = vec![x];
    if node.wants(1) {
        let (one, dims) = (cx.scalar(Scalar::from_i64(mask, 1)), cx.dims(x));
        results.push(cx.broadcast(one, &dims)?);
    }
    Ok(results)
}
