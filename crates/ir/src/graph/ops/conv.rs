//! `conv`: convolution with groups, strides, dilations and pads.

use super::check::{Inferred, at_least, ensure, number};
use super::number::{Evaluated, Number};
use super::window::Spatial;
use super::{Window, tail};
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// Result layout: that of `x`.
pub(in crate::graph) fn infer(window: &Window, groups: usize, expr: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([x, w], rest) = at_least::<2>(inputs)?;
    window.check(x)?;
    number(x)?;
    ensure(w.layout == Layout::Plain && w.dims.len() == x.dims.len() && w.dtype == x.dtype, || {
        format!("weights {w} do not fit operand {x}")
    })?;
    ensure(w.dims[2..] == window.kernel, || format!("weights {w} do not have the kernel {:?}", window.kernel))?;
    let whole = groups > 0 && x.dims[1].is_multiple_of(groups) && w.dims[0].is_multiple_of(groups);
    ensure(whole && w.dims[1] == x.dims[1] / groups, || {
        format!("channels do not fit {groups} groups: operand {x}, weights {w}")
    })?;
    let mut dims = vec![x.dims[0], w.dims[0]];
    dims.extend(window.output_sizes(x)?);
    Ok(vec![tail::infer(expr, x.dtype, &dims, x.layout, rest)?])
}

/// Sums in f64, or in wrapping integers.
pub(in crate::graph) fn eval(
    window: &Window,
    groups: usize,
    expr: &Expr,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let accumulator = TensorType { dtype: inputs[0].dtype(), ..ty.clone() };
    let sums = match accumulator.dtype.is_float() {
        true => convolve::<f64>(window, groups, inputs[0], inputs[1], &accumulator)?,
        false => convolve::<i64>(window, groups, inputs[0], inputs[1], &accumulator)?,
    };
    tail::apply(expr, sums, &inputs[2..], ty)
}

fn convolve<T: Number>(
    window: &Window,
    groups: usize,
    x: &Tensor,
    w: &Tensor,
    ty: &TensorType,
) -> Result<Tensor, String> {
    let spatial = Spatial::new(window, &x.dims()[2..], &ty.dims[2..]);
    let (in_count, out_count, taps) = (spatial.input_count(), spatial.output_count(), spatial.taps());
    let (channels, outputs) = (x.dims()[1], ty.dims[1]);
    let (group_in, group_out) = (channels / groups, outputs / groups);
    let (xs, ws) = (T::read(x), T::read(w));
    let mut sums = vec![T::default(); ty.count()];
    for (plane, sums) in sums.chunks_exact_mut(out_count.max(1)).enumerate() {
        let (n, o) = (plane / outputs, plane % outputs);
        for i in 0..group_in {
            let c = o / group_out * group_in + i;
            let xs = &xs[(n * channels + c) * in_count..][..in_count];
            let ws = &ws[(o * group_in + i) * taps..][..taps];
            spatial.for_each_row(&mut |tap, to, from, count, step| {
                let weight = ws[tap];
                let sums = &mut sums[to..to + count];
                if step == 1 {
                    let row = &xs[from..from + count];
                    sums.iter_mut().zip(row).for_each(|(s, &v)| *s = s.plus(weight.times(v)));
                } else {
                    let row = xs[from..].iter().step_by(step);
                    sums.iter_mut().zip(row).for_each(|(s, &v)| *s = s.plus(weight.times(v)));
                }
            });
        }
    }
    T::tensor(ty, &sums)
}
