//! `normalize`: mean and variance normalisation over axes, or root mean square normalisation.

use super::check::{self, Inferred, all_plain, at_least, ensure, float};
use super::number::{Evaluated, Number};
use super::reduce::{group_strides, reduced_dims};
use super::strided::offsets;
use super::tail;
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Plain operands only.
pub(in crate::graph) fn infer(axes: &[usize], expr: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([x], rest) = at_least::<1>(inputs)?;
    all_plain(inputs)?;
    float(x)?;
    check::axes(axes, x)?;
    ensure(!axes.is_empty(), || format!("no axes to normalise {x} over"))?;
    Ok(vec![tail::infer(expr, x.dtype, &x.dims, x.layout, rest)?])
}

/// Two passes in f64.
pub(in crate::graph) fn eval(
    axes: &[usize],
    epsilon: u32,
    center: bool,
    expr: &Expr,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let x = inputs[0];
    let epsilon = f64::from(f32::from_bits(epsilon));
    let mut values = x.to_f64_vec();
    let strides = group_strides(x.dims(), axes);
    let groups: usize = reduced_dims(x.dims(), axes, true).iter().product();
    let size = axes.iter().map(|&a| x.dims()[a]).product::<usize>() as f64;
    let mean_of = |values: &[f64], term: fn(f64) -> f64| {
        let mut sums = vec![0.0; groups];
        values.iter().zip(offsets(x.dims(), &strides)).for_each(|(&v, group)| sums[group] += term(v));
        sums.iter_mut().for_each(|s| *s /= size);
        sums
    };
    if center {
        let mean = mean_of(&values, |v| v);
        values.iter_mut().zip(offsets(x.dims(), &strides)).for_each(|(v, group)| *v -= mean[group]);
    }
    let variance = mean_of(&values, |v| v * v);
    values.iter_mut().zip(offsets(x.dims(), &strides)).for_each(|(v, group)| *v /= (variance[group] + epsilon).sqrt());
    let accumulator = TensorType { dtype: x.dtype(), ..ty.clone() };
    tail::apply(expr, f64::tensor(&accumulator, &values)?, &inputs[1..], ty)
}
