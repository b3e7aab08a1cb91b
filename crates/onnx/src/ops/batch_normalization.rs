//! BatchNormalization: `x * s + t` with s and t per channel, constants where its parameters are.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::Scalar;

/// Opsets 1 to 8: parameters per channel, or with `spatial` 0 per element. Always inference: `is_test`, which the
/// first versions have, is left out by many models that are meant for it.
pub fn batch_normalization_1(cx: &mut Context, node: &Node) -> Results {
    if node.flag("spatial", true)? {
        return inference(cx, node, false);
    }
    inference(cx, node, true)
}

/// Opsets 9 to 13.
pub fn batch_normalization_9(cx: &mut Context, node: &Node) -> Results {
    inference(cx, node, false)
}

/// Opset 14 and later: with `training_mode` the statistics of the batch, and the running ones as results.
pub fn batch_normalization(cx: &mut Context, node: &Node) -> Results {
    if node.flag("training_mode", false)? { training(cx, node) } else { inference(cx, node, false) }
}

fn inference(cx: &mut Context, node: &Node, per_element: bool) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let count = if per_element { dims.iter().skip(1).product() } else { channels(&dims) };
    let mut parameters = vec![];
    for k in 1..5 {
        let parameter = node.input(k)?;
        if cx.ty(parameter).count() != count {
            let of = cx.dims(parameter);
            return invalid(format!("operand {k} of dims {of:?} for x of dims {dims:?}: it must hold {count} values"));
        }
        parameters.push(if per_element { cx.reshape(parameter, &dims[1..])? } else { parameter });
    }
    let (mean, variance) = (parameters[2], parameters[3]);
    Ok(vec![normalized(cx, node, [x, parameters[0], parameters[1]], mean, variance, per_element)?])
}

fn channels(dims: &[usize]) -> usize {
    dims.get(1).copied().unwrap_or(1)
}

/// `(x - mean) * scale / sqrt(variance + epsilon) + bias` on parameters of dims `[C]`.
fn normalized(
    cx: &mut Context,
    node: &Node,
    [x, scale, bias]: [ValueId; 3],
    mean: ValueId,
    variance: ValueId,
    per_element: bool,
) -> Result<ValueId, Reason> {
    let epsilon = node.float("epsilon", 1e-5)?;
    let (dtype, wide) = (cx.dtype(x), cx.dtype(variance));
    let scale = cx.cast(wide, scale)?;
    let bias = cx.cast(wide, bias)?;
    let mean = cx.cast(wide, mean)?;
    let factor = cx.map(&[scale, variance], |b, v| {
        let epsilon = b.constant(Scalar::from_f64(wide, f64::from(epsilon)));
        let sum = b.binary(BinaryOp::Add, v[1], epsilon);
        let deviation = b.unary(UnaryOp::Sqrt, sum);
        b.binary(BinaryOp::Div, v[0], deviation)
    })?;
    let shift = cx.map(&[bias, mean, factor], |b, v| {
        let product = b.binary(BinaryOp::Mul, v[1], v[2]);
        b.binary(BinaryOp::Sub, v[0], product)
    })?;
    let mut placed = [factor, shift];
    for value in &mut placed {
        *value = cx.cast(dtype, *value)?;
        if !per_element {
            let rank = cx.rank(x);
            *value = cx.per_channel(*value, rank)?;
        }
    }
    cx.map(&[x, placed[0], placed[1]], |b, v| {
        let scaled = b.binary(BinaryOp::Mul, v[0], v[1]);
        b.binary(BinaryOp::Add, scaled, v[2])
    })
}

fn training(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axes: Vec<usize> = (0..dims.len()).filter(|&a| a != 1).collect();
    let count = channels(&dims);
    let wide = cx.dtype(node.input(3)?);
    let data = cx.cast(wide, x)?;
    let mean = cx.add1(Op::Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep_dims: true }, &[data])?;
    let square = cx.map(&[data, mean], |b, v| {
        let less = b.binary(BinaryOp::Sub, v[0], v[1]);
        b.binary(BinaryOp::Mul, less, less)
    })?;
    let variance = cx.add1(Op::Reduce { kind: ReduceKind::Mean, axes, keep_dims: true }, &[square])?;
    let (mean, variance) = (cx.reshape(mean, &[count])?, cx.reshape(variance, &[count])?);
    let (scale, bias) = (node.input(1)?, node.input(2)?);
    let mut results = vec![normalized(cx, node, [x, scale, bias], mean, variance, false)?];
    let momentum = f64::from(node.float("momentum", 0.9)?);
    for (k, present) in [(3, mean), (4, variance)] {
        let running = node.input(k)?;
        results.push(cx.map(&[running, present], |b, v| {
            let keep = b.constant(Scalar::from_f64(wide, momentum));
            let take = b.constant(Scalar::from_f64(wide, 1.0 - momentum));
            let (old, new) = (b.binary(BinaryOp::Mul, v[0], keep), b.binary(BinaryOp::Mul, v[1], take));
            b.binary(BinaryOp::Add, old, new)
        })?);
    }
    Ok(results)
}
