//! Instance, layer, group and RMS normalisation, and MeanVarianceNormalization: [`Op::Normalize`] with its tail.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axes_of, axis_of};
use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::{DType, Scalar};

/// `x` normalised over axes, then scaled and shifted by what broadcasts to it.
fn normalize(
    cx: &mut Context,
    x: ValueId,
    axes: Vec<usize>,
    epsilon: f32,
    center: bool,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
) -> Result<ValueId, Reason> {
    let mut operands = vec![x];
    let mut b = ExprBuilder::default();
    let mut y = b.input(0);
    for (operand, op) in [(scale, BinaryOp::Mul), (bias, BinaryOp::Add)] {
        if let Some(operand) = operand {
            let (dims, of) = (cx.dims(x), cx.dims(operand));
            if cnnc_tensor::broadcast_dims(&dims, &of).as_ref() != Some(&dims) {
                return invalid(format!("scale or bias of dims {of:?} does not broadcast to {dims:?}"));
            }
            let place = b.input(operands.len() as u32);
            y = b.binary(op, y, place);
            operands.push(operand);
        }
    }
    let tail: Expr = b.finish(y);
    cx.add1(Op::Normalize { axes, epsilon: epsilon.to_bits(), center, tail }, &operands)
}

/// InstanceNormalization: over the spatial axes, scale and bias per channel.
pub fn instance_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    if rank < 3 {
        return invalid(format!("x of dims {:?}: it needs [n, c, spatial..]", cx.dims(x)));
    }
    let (scale, bias) = (node.input(1)?, node.input(2)?);
    let (scale, bias) = (cx.per_channel(scale, rank)?, cx.per_channel(bias, rank)?);
    let epsilon = node.float("epsilon", 1e-5)?;
    Ok(vec![normalize(cx, x, (2..rank).collect(), epsilon, true, Some(scale), Some(bias))?])
}

/// LayerNormalization: over the axes from `axis` on; mean and inverse deviation are optional results.
pub fn layer_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axes: Vec<usize> = (axis_of(node.int("axis", -1)?, rank)?..rank).collect();
    let epsilon = node.float("epsilon", 1e-5)?;
    let dtype = cx.dtype(x);
    let (scale, bias) = (cx.cast(dtype, node.input(1)?)?, node.optional(2));
    let bias = bias.map(|v| cx.cast(dtype, v)).transpose()?;
    let mut results = vec![normalize(cx, x, axes.clone(), epsilon, true, Some(scale), bias)?];
    if node.wants(1) || node.wants(2) {
        let stash = match node.int("stash_type", 1)? {
            1 => DType::F32,
            _ => dtype,
        };
        let data = cx.cast(stash, x)?;
        let mean = cx.add1(Op::Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep_dims: true }, &[data])?;
        let square = cx.map(&[data, mean], |b, v| {
            let less = b.binary(BinaryOp::Sub, v[0], v[1]);
            b.binary(BinaryOp::Mul, less, less)
        })?;
        let variance = cx.add1(Op::Reduce { kind: ReduceKind::Mean, axes, keep_dims: true }, &[square])?;
        let inverse = cx.map(&[variance], |b, v| {
            let epsilon = b.constant(Scalar::from_f64(stash, f64::from(epsilon)));
            let sum = b.binary(BinaryOp::Add, v[0], epsilon);
            let root = b.unary(UnaryOp::Sqrt, sum);
            b.unary(UnaryOp::Recip, root)
        })?;
        results.extend([mean, inverse]);
    }
    Ok(results)
}

/// RMSNormalization: over the axes from `axis` on, without subtracting the mean.
pub fn rms_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axes = (axis_of(node.int("axis", -1)?, rank)?..rank).collect();
    let (dtype, scale) = (cx.dtype(x), node.input(1)?);
    let scale = cx.cast(dtype, scale)?;
    let epsilon = node.float("epsilon", 1e-5)?;
    Ok(vec![normalize(cx, x, axes, epsilon, false, Some(scale), None)?])
}

/// GroupNormalization of opset 18: scale and bias per group.
pub fn group_normalization_18(cx: &mut Context, node: &Node) -> Results {
    group(cx, node, true)
}

/// GroupNormalization from opset 21 on: scale and bias per channel.
pub fn group_normalization(cx: &mut Context, node: &Node) -> Results {
    group(cx, node, false)
}

fn group(cx: &mut Context, node: &Node, per_group: bool) -> Results {
    let x = node.input(0)?;
    let (dims, dtype) = (cx.dims(x), cx.dtype(x));
    let count = node.need_int("num_groups")?;
    let groups = usize::try_from(count).ok().filter(|&g| g > 0 && dims.len() > 1 && dims[1].is_multiple_of(g));
    let Some(groups) = groups else { return invalid(format!("{count} groups do not fit x of dims {dims:?}")) };
    let epsilon = node.float("epsilon", 1e-5)?;
    let (scale, bias) = (cx.cast(dtype, node.input(1)?)?, cx.cast(dtype, node.input(2)?)?);
    let split = [dims[0], groups, dims[1] / groups * dims[2..].iter().product::<usize>()];
    let grouped = cx.reshape(x, &split)?;
    if per_group {
        let (scale, bias) = (cx.reshape(scale, &[groups, 1])?, cx.reshape(bias, &[groups, 1])?);
        let y = normalize(cx, grouped, vec![2], epsilon, true, Some(scale), Some(bias))?;
        return Ok(vec![cx.reshape(y, &dims)?]);
    }
    let y = normalize(cx, grouped, vec![2], epsilon, true, None, None)?;
    let y = cx.reshape(y, &dims)?;
    let (scale, bias) = (cx.per_channel(scale, dims.len())?, cx.per_channel(bias, dims.len())?);
    let y = cx.map(&[y, scale, bias], |b, v| {
        let scaled = b.binary(BinaryOp::Mul, v[0], v[1]);
        b.binary(BinaryOp::Add, scaled, v[2])
    })?;
    Ok(vec![y])
}

/// MeanVarianceNormalization: `(x - mean) / (deviation + 1e-9)`; the constant only keeps a zero deviation from 0/0.
pub fn mean_variance_normalization(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let axes = axes_of(&node.opt_ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), cx.rank(x))?;
    Ok(vec![normalize(cx, x, axes, 1e-18, true, None, None)?])
}
