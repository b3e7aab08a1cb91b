//! Comparisons and logic of two operands.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use crate::ops::binary::old_broadcast;
use cnnc_ir::expr::BinaryOp;
use cnnc_ir::graph::ValueId;
use cnnc_tensor::DType;

/// With numpy broadcasting (opset 7 and later).
pub fn compare(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    operation(cx, node, a, b)
}

/// With the attributes `broadcast` and `axis` (opsets 1 to 6).
pub fn compare_1(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let b = old_broadcast(cx, node, a, b)?;
    operation(cx, node, a, b)
}

fn operation(cx: &mut Context, node: &Node, a: ValueId, b: ValueId) -> Results {
    let (op, a, b) = match node.op {
        "Equal" => (BinaryOp::Eq, a, b),
        "Less" => (BinaryOp::Lt, a, b),
        "LessOrEqual" => (BinaryOp::Le, a, b),
        "Greater" => (BinaryOp::Lt, b, a),
        "GreaterOrEqual" => (BinaryOp::Le, b, a),
        "And" | "Or" | "Xor" if cx.dtype(a) != DType::Bool => {
            return invalid(format!("the operands must be of bool, not {}", cx.dtype(a)));
        }
        "And" => (BinaryOp::And, a, b),
        "Or" => (BinaryOp::Or, a, b),
        "Xor" => (BinaryOp::Xor, a, b),
        other => return invalid(format!("{other} is no comparison")),
    };
    Ok(vec![cx.binary(op, a, b)?])
}
