//! MatMul, by numpy's rules.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::Expr;
use cnnc_ir::graph::Op;

/// An operand of rank 1 is a row on the left and a column on the right, and its axis leaves the result.
pub fn matmul(cx: &mut Context, node: &Node) -> Results {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (a_dims, b_dims) = (cx.dims(a), cx.dims(b));
    if a_dims.is_empty() || b_dims.is_empty() {
        return invalid(format!("operands of dims {a_dims:?} and {b_dims:?}: scalars are not allowed"));
    }
    let left = if a_dims.len() == 1 { cx.reshape(a, &[1, a_dims[0]])? } else { a };
    let right = if b_dims.len() == 1 { cx.reshape(b, &[b_dims[0], 1])? } else { b };
    let product = cx.add1(Op::MatMul { trans_a: false, trans_b: false, tail: Expr::input(0) }, &[left, right])?;
    let mut dims = cx.dims(product);
    if b_dims.len() == 1 {
        dims.pop();
    }
    if a_dims.len() == 1 {
        dims.remove(dims.len() - if b_dims.len() == 1 { 1 } else { 2 });
    }
    Ok(vec![cx.reshape(product, &dims)?])
}
