//! Elementwise operators of one operand and no attribute.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::UnaryOp;

/// `Abs`, `Relu`, ...: the operators that are one operation of the expression table.
pub fn unary(cx: &mut Context, node: &Node) -> Results {
    let op = match node.op {
        "Abs" => UnaryOp::Abs,
        "Ceil" => UnaryOp::Ceil,
        "Cos" => UnaryOp::Cos,
        "Erf" => UnaryOp::Erf,
        "Exp" => UnaryOp::Exp,
        "Floor" => UnaryOp::Floor,
        "IsNaN" => UnaryOp::IsNan,
        "Log" => UnaryOp::Log,
        "Neg" => UnaryOp::Neg,
        "Not" => UnaryOp::Not,
        "Reciprocal" => UnaryOp::Recip,
        "Relu" => UnaryOp::Relu,
        "Round" => UnaryOp::Round,
        "Sigmoid" => UnaryOp::Sigmoid,
        "Sign" => UnaryOp::Sign,
        "Sin" => UnaryOp::Sin,
        "Sqrt" => UnaryOp::Sqrt,
        "Tanh" => UnaryOp::Tanh,
        other => return invalid(format!("{other} is no elementwise operation of one operand")),
    };
    let x = node.input(0)?;
    Ok(vec![cx.unary(op, x)?])
}
