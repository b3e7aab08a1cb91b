//! `conv_transpose`: transposed convolution.

use super::check::{Inferred, at_least, ensure, number, one_each};
use super::number::{Evaluated, Number};
use super::window::Spatial;
use super::{Window, tail};
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// Result layout: that of `x`.
pub(in crate::graph) fn infer(
    window: &Window,
    output_pads: &[usize],
    groups: usize,
    expr: &Expr,
    inputs: &[&TensorType],
) -> Inferred {
    let ([x, w], rest) = at_least::<2>(inputs)?;
    window.check(x)?;
    number(x)?;
    ensure(w.layout == Layout::Plain && w.dims.len() == x.dims.len() && w.dtype == x.dtype, || {
        format!("weights {w} do not fit operand {x}")
    })?;
    ensure(w.dims[2..] == window.kernel, || format!("weights {w} do not have the kernel {:?}", window.kernel))?;
    one_each("output_pads", output_pads.len(), window.kernel.len(), x)?;
    ensure(groups > 0 && x.dims[1].is_multiple_of(groups) && w.dims[0] == x.dims[1], || {
        format!("channels do not fit {groups} groups: operand {x}, weights {w}")
    })?;
    let channels = w.dims[1].checked_mul(groups).ok_or_else(|| format!("{groups} groups of {w} overflow"))?;
    let mut dims = vec![x.dims[0], channels];
    for (axis, &output_pad) in output_pads.iter().enumerate() {
        dims.push(size(window, output_pad, axis, x)?);
    }
    Ok(vec![tail::infer(expr, x.dtype, &dims, x.layout, rest)?])
}

fn size(window: &Window, output_pad: usize, axis: usize, x: &TensorType) -> Result<usize, String> {
    let input = x.dims[axis + 2];
    ensure(input > 0, || format!("spatial axis {axis} of {x} is empty"))?;
    let full = (input - 1)
        .checked_mul(window.strides[axis])
        .zip(window.extent(axis))
        .and_then(|(a, b)| a.checked_add(b))
        .and_then(|n| n.checked_add(output_pad));
    let crop = window.pads_begin[axis].checked_add(window.pads_end[axis]);
    match (full, crop) {
        (Some(full), Some(crop)) if full >= crop => Ok(full - crop),
        (Some(full), Some(crop)) => {
            Err(format!("pads crop {crop} of {full} elements of spatial axis {axis}, operand {x}"))
        }
        _ => Err(format!("spatial axis {axis} of the result overflows, operand {x}")),
    }
}

/// Sums in f64, or in wrapping integers. A transposed convolution is the convolution from the result to the operand
/// with the flow of data turned round, so the window slides over the result.
pub(in crate::graph) fn eval(
    window: &Window,
    groups: usize,
    expr: &Expr,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let accumulator = TensorType { dtype: inputs[0].dtype(), ..ty.clone() };
    let sums = match accumulator.dtype.is_float() {
        true => scatter::<f64>(window, groups, inputs[0], inputs[1], &accumulator)?,
        false => scatter::<i64>(window, groups, inputs[0], inputs[1], &accumulator)?,
    };
    tail::apply(expr, sums, &inputs[2..], ty)
}

fn scatter<T: Number>(
    window: &Window,
    groups: usize,
    x: &Tensor,
    w: &Tensor,
    ty: &TensorType,
) -> Result<Tensor, String> {
    let spatial = Spatial::new(window, &ty.dims[2..], &x.dims()[2..]);
    let (in_count, out_count, taps) = (spatial.output_count(), spatial.input_count(), spatial.taps());
    let (channels, outputs) = (x.dims()[1], ty.dims[1]);
    let (group_in, group_out) = (channels / groups, outputs / groups);
    let (xs, ws) = (T::read(x), T::read(w));
    let mut sums = vec![T::default(); ty.count()];
    for (plane, sums) in sums.chunks_exact_mut(out_count.max(1)).enumerate() {
        let (n, o) = (plane / outputs, plane % outputs);
        for i in 0..group_in {
            let c = o / group_out * group_in + i;
            let xs = &xs[(n * channels + c) * in_count..][..in_count];
            let ws = &ws[(c * group_out + o % group_out) * taps..][..taps];
            spatial.for_each_row(&mut |tap, from, to, count, step| {
                let weight = ws[tap];
                let row = &xs[from..from + count];
                let sums = sums[to..].iter_mut().step_by(step);
                sums.zip(row).for_each(|(s, &v)| *s = s.plus(weight.times(v)));
            });
        }
    }
    T::tensor(ty, &sums)
}
