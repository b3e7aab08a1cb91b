//! Clip: `min(max(x, low), high)`.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::BinaryOp;
use cnnc_ir::graph::ValueId;
use cnnc_tensor::Scalar;

/// Bounds as attributes (opsets 1 to 10); absent ones do not clip.
pub fn clip_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dtype = cx.dtype(x);
    let mut bound = |value: Option<f32>| {
        let unlimited = value.is_none_or(|v| v.abs() == f32::MAX || v.is_infinite());
        value.filter(|_| !unlimited).map(|v| cx.scalar(Scalar::from_f64(dtype, f64::from(v))))
    };
    let (low, high) = (bound(node.opt_float("min")?), bound(node.opt_float("max")?));
    clipped(cx, x, low, high)
}

/// Bounds as optional scalar operands (opset 11 and later).
pub fn clip(cx: &mut Context, node: &Node) -> Results {
    for (k, name) in [(1, "min"), (2, "max")] {
        if let Some(bound) = node.optional(k).filter(|&v| cx.ty(v).count() != 1) {
            return invalid(format!("operand '{name}' must be a scalar, not of dims {:?}", cx.dims(bound)));
        }
    }
    let mut bounds = [None; 2];
    for (k, bound) in bounds.iter_mut().enumerate() {
        *bound = node.optional(k + 1).map(|v| cx.reshape(v, &[])).transpose()?;
    }
    clipped(cx, node.input(0)?, bounds[0], bounds[1])
}

fn clipped(cx: &mut Context, x: ValueId, low: Option<ValueId>, high: Option<ValueId>) -> Results {
    let bounds = [(low, BinaryOp::Max), (high, BinaryOp::Min)].into_iter().filter_map(|(v, op)| Some((v?, op)));
    let (values, ops): (Vec<ValueId>, Vec<BinaryOp>) = bounds.unzip();
    if values.is_empty() {
        return Ok(vec![x]);
    }
    let operands: Vec<ValueId> = std::iter::once(x).chain(values).collect();
    let y = cx.map(&operands, |b, v| v[1..].iter().zip(ops).fold(v[0], |y, (&limit, op)| b.binary(op, y, limit)))?;
    Ok(vec![y])
}
