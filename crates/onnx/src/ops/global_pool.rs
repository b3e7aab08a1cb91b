//! GlobalAveragePool, GlobalMaxPool and GlobalLpPool: reductions over the spatial axes.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use crate::ops::pool::order;
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::Scalar;

/// GlobalAveragePool.
pub fn global_average_pool(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    Ok(vec![over_space(cx, ReduceKind::Mean, x)?])
}

/// GlobalMaxPool.
pub fn global_max_pool(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    Ok(vec![over_space(cx, ReduceKind::Max, x)?])
}

/// GlobalLpPool of opset 1, where p is a float.
pub fn global_lp_pool_1(cx: &mut Context, node: &Node) -> Results {
    let p = node.float("p", 2.0)?;
    if !(p > 0.0 && p.is_finite()) {
        return invalid(format!("attribute 'p' is {p}; it must be positive"));
    }
    norm_over_space(cx, node, f64::from(p))
}

/// GlobalLpPool from opset 2 on.
pub fn global_lp_pool(cx: &mut Context, node: &Node) -> Results {
    let p = order(node.int("p", 2)?)?;
    norm_over_space(cx, node, f64::from(p))
}

fn over_space(cx: &mut Context, kind: ReduceKind, x: ValueId) -> Result<ValueId, Reason> {
    let rank = cx.rank(x);
    if rank < 3 {
        return invalid(format!("x of dims {:?}: it needs [n, c, spatial..]", cx.dims(x)));
    }
    cx.add1(Op::Reduce { kind, axes: (2..rank).collect(), keep_dims: true }, &[x])
}

/// `(sum |x|^p)^(1/p)`
fn norm_over_space(cx: &mut Context, node: &Node, p: f64) -> Results {
    let x = node.input(0)?;
    let dtype = cx.dtype(x);
    let powers = cx.map(&[x], |b, v| {
        let size = b.unary(UnaryOp::Abs, v[0]);
        let exponent = b.constant(Scalar::from_f64(dtype, p));
        match p {
            1.0 => size,
            2.0 => b.binary(BinaryOp::Mul, v[0], v[0]),
            _ => b.binary(BinaryOp::Pow, size, exponent),
        }
    })?;
    let sum = over_space(cx, ReduceKind::Sum, powers)?;
    if p == 1.0 {
        return Ok(vec![sum]);
    }
    let root = cx.map(&[sum], |b, v| {
        let exponent = b.constant(Scalar::from_f64(dtype, 1.0 / p));
        match p {
            2.0 => b.unary(UnaryOp::Sqrt, v[0]),
            _ => b.binary(BinaryOp::Pow, v[0], exponent),
        }
    })?;
    Ok(vec![root])
}
