//! PRelu: `x < 0 ? slope*x : x`.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::expr::BinaryOp::*;
use cnnc_ir::graph::ValueId;
use cnnc_tensor::Scalar;

/// `x < 0 ? slope*x : x`; the slope broadcasts to x (opset 7 and later).
pub fn prelu(cx: &mut Context, node: &Node) -> Results {
    let (x, slope) = (node.input(0)?, node.input(1)?);
    sloped(cx, x, slope)
}

/// PRelu of opsets 1 to 6: a slope of rank 1 has one value per channel.
pub fn prelu_1(cx: &mut Context, node: &Node) -> Results {
    let (x, slope) = (node.input(0)?, node.input(1)?);
    let rank = cx.rank(x);
    let slope = if cx.rank(slope) == 1 && rank > 1 { cx.per_channel(slope, rank)? } else { slope };
    sloped(cx, x, slope)
}

fn sloped(cx: &mut Context, x: ValueId, slope: ValueId) -> Results {
    let (dims, of) = (cx.dims(x), cx.dims(slope));
    if cnnc_tensor::broadcast_dims(&dims, &of).as_ref() != Some(&dims) {
        return invalid(format!("slope dims {of:?} do not broadcast to {dims:?}"));
    }
    let zero = Scalar::from_f64(cx.dtype(x), 0.0);
    let y = cx.map(&[x, slope], |b, v| {
        let zero = b.constant(zero);
        let negative = b.binary(Lt, v[0], zero);
        let scaled = b.binary(Mul, v[0], v[1]);
        b.select(negative, scaled, v[0])
    })?;
    Ok(vec![y])
}
