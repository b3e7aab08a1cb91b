//! Declared errors: how far an algorithm's results may be from the exact ones, relative to the largest of them, on
//! inputs as they are after an activation. The differential tests hold every algorithm to what it declares here; the
//! choice adds them up over a network.

use crate::Region;
use crate::conv::ConvShape;
use cnnc_ir::expr::{BinaryOp, Expr, ExprNode, UnaryOp};
use cnnc_ir::graph::ops::{PoolKind, ReduceKind};
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::Target;

/// Distance from 1 to the next f32: twice the largest relative error of one rounding.
pub const EPSILON: f64 = f32::EPSILON as f64;

/// Values are moved or compared, never rounded.
pub fn none(_: &Region, _: &Candidate, _: &Target) -> f64 {
    0.0
}

/// A few roundings an element: polynomials, short sums, divisions.
pub fn elementwise(_: &Region, _: &Candidate, _: &Target) -> f64 {
    16.0 * EPSILON
}

/// A sum of products whose long sums are taken in spans: a convolution, a transposed one or a matrix product.
pub fn products(region: &Region, _: &Candidate, _: &Target) -> f64 {
    sum(terms(region)) + tail(region)
}

/// A sum of products in one chain of additions: the plain loop nests.
pub fn chained_products(region: &Region, _: &Candidate, _: &Target) -> f64 {
    chain(terms(region)) + tail(region)
}

/// A map: the roundings of its expression.
pub fn expression(region: &Region, _: &Candidate, _: &Target) -> f64 {
    if let Op::Map { expr, .. } = region.op { roundings(expr) } else { 0.0 }
}

/// A pool or reduction: nothing where elements are compared, else the sum of a window or of all.
pub fn reduction(region: &Region, _: &Candidate, _: &Target) -> f64 {
    match region.op {
        Op::Pool { kind: PoolKind::Max, .. } | Op::Reduce { kind: ReduceKind::Max | ReduceKind::Min, .. } => 0.0,
        Op::Pool { kind: PoolKind::Average | PoolKind::AverageIncludePad, window, .. } => {
            chain(window.kernel.iter().product::<usize>() as f64)
        }
        Op::Reduce { axes, .. } => {
            chain(axes.iter().map(|&axis| region.inputs[0].dims[axis]).product::<usize>() as f64)
        }
        _ => 16.0 * EPSILON,
    }
}

/// A sum of so many products in spans.
pub fn sum(terms: f64) -> f64 {
    let span = crate::tiled::SPAN as f64;
    chain(terms.min(span)) + 0.25 * EPSILON * (terms / span).sqrt()
}

/// A sum of so many products in one chain. Roundings are independent enough that errors grow with the root of the length
/// of the chain, as the sum itself does (Higham and Mary, "A new approach to probabilistic rounding error analysis",
/// 2019); the factors are about twice what the worst of ten thousand runs on random problems shows.
fn chain(terms: f64) -> f64 {
    EPSILON * (1.0 + 0.7 * terms.sqrt())
}

/// What the tail adds.
pub fn tail(region: &Region) -> f64 {
    region.op.tail().map_or(0.0, |(tail, _)| roundings(tail))
}

/// Roundings of an expression: half an ulp for what the machine rounds, what `math` states for functions.
fn roundings(expr: &Expr) -> f64 {
    let ulps = |node: &ExprNode| match node {
        ExprNode::Unary(op, _) => match op {
            UnaryOp::Sqrt | UnaryOp::Recip => 0.5,
            UnaryOp::Exp | UnaryOp::Log | UnaryOp::Log1p | UnaryOp::Sin | UnaryOp::Cos => 2.0,
            UnaryOp::Tanh | UnaryOp::Erf => 2.0,
            UnaryOp::Sigmoid => 3.0,
            _ => 0.0,
        },
        ExprNode::Binary(op, ..) => match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => 0.5,
            BinaryOp::Pow => 2.0,
            _ => 0.0,
        },
        ExprNode::Cast(..) => 0.5,
        _ => 0.0,
    };
    EPSILON * expr.nodes().iter().map(ulps).sum::<f64>()
}

/// Products that an element of the result sums.
pub fn terms(region: &Region) -> f64 {
    match region.op {
        Op::MatMul { trans_a, .. } => {
            let dims = &region.inputs[0].dims;
            dims.iter().rev().nth(usize::from(*trans_a)).copied().unwrap_or(1) as f64
        }
        _ => ConvShape::of_any_order(region)
            .or_else(|| ConvShape::of_transposed(region))
            .map_or(1.0, |s| (s.group_channels() * s.taps()) as f64),
    }
}
