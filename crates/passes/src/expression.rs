//! Simplification of scalar expressions, shared by the passes that make them.

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, ExprNode, UnaryOp, apply_binary, apply_unary, convert};
use cnnc_tensor::Scalar;

/// The expression with constants computed, `select` on a constant decided, conversions to the operand's own type
/// dropped, and powers by 1, 2 and -1 replaced by cheaper operations. Exact.
pub fn simplify(expr: &Expr, input_types: &[cnnc_tensor::DType]) -> Expr {
    let Ok(types) = expr.node_types(input_types) else { return expr.clone() };
    let mut b = ExprBuilder::default();
    let mut made: Vec<(ExprId, Option<Scalar>)> = Vec::with_capacity(types.len());
    for (node, &ty) in expr.nodes().iter().zip(&types) {
        let known = |id: ExprId| made[id.0 as usize].1;
        let new = |id: ExprId| made[id.0 as usize].0;
        let constant = match *node {
            ExprNode::Const(value) => Some(value),
            ExprNode::Unary(op, a) => known(a).map(|a| apply_unary(op, a)),
            ExprNode::Binary(op, x, y) => known(x).zip(known(y)).map(|(x, y)| apply_binary(op, x, y)),
            ExprNode::Cast(dtype, a) => known(a).map(|a| convert(dtype, a)),
            _ => None,
        };
        let id = match (constant, *node) {
            (Some(value), _) => b.constant(value),
            (_, ExprNode::Select(c, x, y)) if known(c).is_some() => {
                new(if known(c).is_some_and(Scalar::is_true) { x } else { y })
            }
            (_, ExprNode::Cast(dtype, a)) if types[a.0 as usize] == dtype => new(a),
            (_, ExprNode::Binary(BinaryOp::Pow, x, y)) if ty.is_float() => {
                power(&mut b, new(x), known(y)).unwrap_or_else(|| b.push(node.map_operands(new)))
            }
            _ => b.push(node.map_operands(new)),
        };
        made.push((id, constant));
    }
    let result = made[made.len() - 1].0;
    b.finish(result)
}

/// `x^exponent` by cheaper operations.
fn power(b: &mut ExprBuilder, x: ExprId, exponent: Option<Scalar>) -> Option<ExprId> {
    match exponent?.to_f64() {
        1.0 => Some(x),
        2.0 => Some(b.binary(BinaryOp::Mul, x, x)),
        -1.0 => Some(b.unary(UnaryOp::Recip, x)),
        _ => None,
    }
}
