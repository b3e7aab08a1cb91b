//! Pow: the result has the base's type, whatever the exponent's.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use crate::ops::binary::old_broadcast;
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::ValueId;
use cnnc_tensor::DType;

/// Pow with the attributes `broadcast` and `axis` (opsets 1 to 6).
pub fn pow_1(cx: &mut Context, node: &Node) -> Results {
    let (x, y) = (node.input(0)?, node.input(1)?);
    let y = old_broadcast(cx, node, x, y)?;
    Ok(vec![power(cx, x, y)?])
}

/// Pow with numpy broadcasting; from opset 12 on the two types may differ.
pub fn pow(cx: &mut Context, node: &Node) -> Results {
    Ok(vec![power(cx, node.input(0)?, node.input(1)?)?])
}

fn power(cx: &mut Context, x: ValueId, y: ValueId) -> Result<ValueId, Reason> {
    let (base, exponent) = (cx.dtype(x), cx.dtype(y));
    if base == DType::Bool || exponent == DType::Bool {
        return invalid("bool operands are not allowed");
    }
    // A square, a cube or a root costs far less than a power.
    let known =
        cx.graph.constant(y).filter(|t| t.count() == 1 && t.dims().len() <= cx.rank(x)).map(|t| t.get(0).to_f64());
    match known {
        Some(1.0) => return Ok(x),
        Some(2.0) => return cx.map(&[x], |b, v| b.binary(BinaryOp::Mul, v[0], v[0])),
        Some(3.0) => {
            return cx.map(&[x], |b, v| {
                let square = b.binary(BinaryOp::Mul, v[0], v[0]);
                b.binary(BinaryOp::Mul, square, v[0])
            });
        }
        Some(0.5) if base.is_float() => return cx.unary(UnaryOp::Sqrt, x),
        _ => {}
    }
    if base.is_float() || exponent.is_int() {
        return cx.map(&[x, y], |b, v| {
            let y = if base == exponent { v[1] } else { b.cast(base, v[1]) };
            b.binary(BinaryOp::Pow, v[0], y)
        });
    }
    // Integer base, float exponent: whole exponents stay exact.
    cx.map(&[x, y], |b, v| {
        let whole = b.cast(base, v[1]);
        let exact = b.binary(BinaryOp::Pow, v[0], whole);
        let float = b.cast(exponent, v[0]);
        let power = b.binary(BinaryOp::Pow, float, v[1]);
        let truncated = b.cast(base, power);
        let back = b.cast(exponent, whole);
        let is_whole = b.binary(BinaryOp::Eq, back, v[1]);
        b.select(is_whole, exact, truncated)
    })
}
