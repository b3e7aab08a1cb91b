//! LayerNormalization.

use crate::context::{Context, Results};
use crate::node::{Node, axis_of};
use crate::ops::normalize::normalize;
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_tensor::{DType, Scalar};

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
