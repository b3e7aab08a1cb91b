//! IsInf.

use crate::context::{Context, Results};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_tensor::Scalar;

/// Infinities of either sign may be left out.
pub fn is_inf(cx: &mut Context, node: &Node) -> Results {
    let (negative, positive) = (node.flag("detect_negative", true)?, node.flag("detect_positive", true)?);
    let x = node.input(0)?;
    let zero = Scalar::from_f64(cx.dtype(x), 0.0);
    let y = cx.map(&[x], |b, v| {
        let infinite = b.unary(UnaryOp::IsInf, v[0]);
        let zero = b.constant(zero);
        match (negative, positive) {
            (true, true) => infinite,
            (true, false) => {
                let sign = b.binary(BinaryOp::Lt, v[0], zero);
                b.binary(BinaryOp::And, infinite, sign)
            }
            (false, true) => {
                let sign = b.binary(BinaryOp::Lt, zero, v[0]);
                b.binary(BinaryOp::And, infinite, sign)
            }
            (false, false) => b.binary(BinaryOp::Xor, infinite, infinite),
        }
    })?;
    Ok(vec![y])
}
