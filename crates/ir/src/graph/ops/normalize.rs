//! `normalize`: mean and variance normalisation over axes, or root mean square normalisation.

use super::check::{self, Inferred, all_plain, at_least, ensure, float};
use super::tail;
use crate::expr::Expr;
use crate::graph::TensorType;

/// Plain operands only.
pub(in crate::graph) fn infer(axes: &[usize], expr: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([x], rest) = at_least::<1>(inputs)?;
    all_plain(inputs)?;
    float(x)?;
    check::axes(axes, x)?;
    ensure(!axes.is_empty(), || format!("no axes to normalise {x} over"))?;
    Ok(vec![tail::infer(expr, x.dtype, &x.dims, x.layout, rest)?])
}
