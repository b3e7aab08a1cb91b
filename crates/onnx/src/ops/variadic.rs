//! Max, Min, Sum and Mean of any number of operands.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::BinaryOp;
use cnnc_tensor::Scalar;

/// Operands are joined from left to right; they broadcast.
pub fn variadic(cx: &mut Context, node: &Node) -> Results {
    let op = match node.op {
        "Max" => BinaryOp::Max,
        "Min" => BinaryOp::Min,
        "Sum" | "Mean" => BinaryOp::Add,
        other => return invalid(format!("{other} is no operator of many operands")),
    };
    let operands = node.all_inputs()?;
    let Some((&first, rest)) = operands.split_first() else { return invalid("the node has no operands") };
    let mut result = first;
    for &operand in rest {
        result = cx.binary(op, result, operand)?;
    }
    if node.op == "Mean" && operands.len() > 1 {
        let count = cx.scalar(Scalar::from_f64(cx.dtype(result), operands.len() as f64));
        result = cx.binary(BinaryOp::Div, result, count)?;
    }
    Ok(vec![result])
}
