//! `conv`: convolution with groups, strides, dilations and pads.

use super::check::{Inferred, at_least, ensure, number};
use super::number::{Evaluated, Number, accumulate};
use super::window::Spatial;
use super::{Window, parallel, tail};
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

/// Sums in f64, or in wrapping integers. `groups` is their number and whether the result interleaves them.
pub(in crate::graph) fn eval(
    window: &Window,
    groups: (usize, bool),
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

/// Unfolded elements held at once: few enough for a second-level cache.
const UNFOLDED: usize = 1 << 17;
/// Positions accumulated at once: few enough for the first-level cache.
const POSITIONS: usize = 1024;

/// Each channel is unfolded into one row of window positions per tap, so that the sums run over long rows. Threads
/// share the result channels.
fn convolve<T: Number>(
    window: &Window,
    (groups, interleaved): (usize, bool),
    x: &Tensor,
    w: &Tensor,
    ty: &TensorType,
) -> Result<Tensor, String> {
    let spatial = Spatial::new(window, &x.dims()[2..], &ty.dims[2..]);
    let (in_count, out_count, taps) = (spatial.input_count(), spatial.output_count(), spatial.taps());
    let (group_in, group_out) = (x.dims()[1] / groups, ty.dims[1] / groups);
    let (xs, ws) = (T::view(x), T::view(w));
    let mut sums = vec![T::default(); ty.count()];
    if sums.is_empty() || group_in == 0 {
        return T::tensor(ty, &sums);
    }
    let at_once = (UNFOLDED / (taps * out_count)).clamp(1, group_in);
    let threads = parallel::parts(sums.len() * group_in * taps);
    let blocks = if x.dims()[0] * groups >= threads { 1 } else { threads.min(group_out) };
    let block = group_out.div_ceil(blocks);
    let images = sums.chunks_exact_mut(group_out * out_count).enumerate();
    let items = images.flat_map(|(image, sums)| {
        sums.chunks_mut(block * out_count).enumerate().map(move |(k, sums)| (image, k * block, sums))
    });
    parallel::for_each(items.collect(), threads, &|(image, first_out, sums): (usize, usize, &mut [T])| {
        let group = image % groups;
        let mut rows = vec![T::default(); at_once * taps * out_count];
        for first in (0..group_in).step_by(at_once) {
            let channels = at_once.min(group_in - first);
            rows.fill(T::default());
            for c in 0..channels {
                let xs = &xs[(image * group_in + first + c) * in_count..][..in_count];
                let rows = &mut rows[c * taps * out_count..][..taps * out_count];
                spatial.for_each_row(&mut |tap, to, from, count, step| {
                    let row = &mut rows[tap * out_count + to..][..count];
                    row.iter_mut().zip(xs[from..].iter().step_by(step)).for_each(|(r, &v)| *r = v);
                });
            }
            for start in (0..out_count).step_by(POSITIONS) {
                let count = POSITIONS.min(out_count - start);
                for (o, sums) in sums.chunks_exact_mut(out_count).enumerate() {
                    let o = first_out + o;
                    let result = if interleaved { o * groups + group } else { group * group_out + o };
                    let weights = &ws[(result * group_in + first) * taps..][..channels * taps];
                    accumulate(&mut sums[start..start + count], weights, &rows[start..], out_count);
                }
            }
        }
    });
    if interleaved {
        sums = interleave(&sums, groups, group_out, out_count);
    }
    T::tensor(ty, &sums)
}

/// Sums `[N, groups, outputs, positions]` as `[N, outputs, groups, positions]`.
fn interleave<T: Number>(sums: &[T], groups: usize, outputs: usize, positions: usize) -> Vec<T> {
    let mut result = Vec::with_capacity(sums.len());
    for image in sums.chunks_exact(groups * outputs * positions) {
        for (o, group) in (0..outputs).flat_map(|o| (0..groups).map(move |group| (o, group))) {
            result.extend_from_slice(&image[(group * outputs + o) * positions..][..positions]);
        }
    }
    result
}
