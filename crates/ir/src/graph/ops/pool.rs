//! `pool`: maximum, average and Lp pooling over the spatial axes.

use super::check::{Inferred, ensure, exactly, float, number, one_each};
use super::number::{Evaluated, Number};
use super::window::Spatial;
use super::{PoolKind, Window};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, Tensor};

/// Result layout: that of `x`; indices are given for plain operands only.
pub(in crate::graph) fn infer(
    kind: PoolKind,
    window: &Window,
    count_pads_end: &[usize],
    indices: bool,
    inputs: &[&TensorType],
) -> Inferred {
    let [x] = exactly(inputs)?;
    window.check(x)?;
    match kind {
        PoolKind::Max => number(x)?,
        _ => float(x)?,
    }
    let counted = if kind == PoolKind::AverageIncludePad { window.kernel.len() } else { 0 };
    one_each("count_pads_end", count_pads_end.len(), counted, x)?;
    ensure(!matches!(kind, PoolKind::Lp(0)), || "the norm must be positive".to_string())?;
    ensure(!indices || kind == PoolKind::Max, || format!("{kind:?} pooling has no indices"))?;
    ensure(!indices || x.layout == Layout::Plain, || format!("indices need a plain operand, got {x}"))?;
    let mut dims = vec![x.dims[0], x.dims[1]];
    dims.extend(window.output_sizes(x)?);
    let pooled = TensorType { dtype: x.dtype, dims, layout: x.layout };
    let positions = indices.then(|| TensorType { dtype: DType::I64, ..pooled.clone() });
    Ok(std::iter::once(pooled).chain(positions).collect())
}

/// Sums in f64; the largest tap in the order of its type, NaN above all.
pub(in crate::graph) fn eval(
    kind: PoolKind,
    window: &Window,
    count_pads_end: &[usize],
    column_major: bool,
    inputs: &[&Tensor],
    results: &[TensorType],
) -> Evaluated {
    let (x, ty) = (inputs[0], &results[0]);
    let spatial = Spatial::new(window, &x.dims()[2..], &ty.dims[2..]);
    if kind == PoolKind::Max {
        let (pooled, positions) = match x.dtype().is_float() {
            true => largest::<f64>(&spatial, x, ty)?,
            false => largest::<i64>(&spatial, x, ty)?,
        };
        let positions = results.get(1).map(|ty| index_tensor(&positions, &x.dims()[2..], column_major, ty));
        return std::iter::once(Ok(pooled)).chain(positions).collect();
    }
    let sums = sums(kind, &spatial, x, ty);
    let counts = match kind {
        PoolKind::Average => valid_counts(&spatial),
        PoolKind::AverageIncludePad => declared_counts(&spatial, count_pads_end),
        _ => vec![],
    };
    let pooled: Vec<f64> = sums
        .iter()
        .enumerate()
        .map(|(at, &sum)| match kind {
            PoolKind::Lp(p) => sum.powf(1.0 / f64::from(p)),
            _ => sum / counts[at % counts.len()] as f64,
        })
        .collect();
    Ok(vec![f64::tensor(ty, &pooled)?])
}

/// The largest tap of every window, and where in the whole operand it stands (the first of equal ones).
fn largest<T: Number>(spatial: &Spatial, x: &Tensor, ty: &TensorType) -> Result<(Tensor, Vec<usize>), String> {
    let values = T::read_ordered(x);
    let mut pooled = vec![T::range(x.dtype()).0; ty.count()];
    let mut positions = vec![None; ty.count()];
    let out_count = spatial.output_count();
    for plane in 0..x.dims()[0] * x.dims()[1] {
        let base = plane * spatial.input_count();
        spatial.for_each_row(&mut |_, to, from, count, step| {
            for k in 0..count {
                let (at, source) = (plane * out_count + to + k, base + from + k * step);
                let (value, best) = (values[source], pooled[at]);
                if positions[at].is_none() || value > best || (value.is_nan() && !best.is_nan()) {
                    (pooled[at], positions[at]) = (value, Some(source));
                }
            }
        });
    }
    let positions = positions.into_iter().map(|p| p.unwrap_or(0)).collect();
    Ok((T::tensor_ordered(ty, &pooled)?, positions))
}

fn index_tensor(positions: &[usize], sizes: &[usize], column_major: bool, ty: &TensorType) -> Result<Tensor, String> {
    let plane: usize = sizes.iter().product();
    let column_major_of = |position: usize| {
        // Windows over an image without pixels hold padding alone.
        if plane == 0 {
            return position;
        }
        let (mut rest, mut index, mut stride) = (position % plane, 0, plane);
        for &size in sizes.iter().rev() {
            stride /= size;
            index += rest % size * stride;
            rest /= size;
        }
        position / plane * plane + index
    };
    let indices: Vec<i64> =
        positions.iter().map(|&p| (if column_major { column_major_of(p) } else { p }) as i64).collect();
    i64::tensor(ty, &indices)
}

fn sums(kind: PoolKind, spatial: &Spatial, x: &Tensor, ty: &TensorType) -> Vec<f64> {
    let values = x.to_f64_vec();
    let term = |v: f64| if let PoolKind::Lp(p) = kind { v.abs().powf(f64::from(p)) } else { v };
    let mut sums = vec![0.0; ty.count()];
    let (in_count, out_count) = (spatial.input_count(), spatial.output_count());
    for plane in 0..x.dims()[0] * x.dims()[1] {
        spatial.for_each_row(&mut |_, to, from, count, step| {
            for k in 0..count {
                sums[plane * out_count + to + k] += term(values[plane * in_count + from + k * step]);
            }
        });
    }
    sums
}

/// For each window position the number of taps inside the operand.
fn valid_counts(spatial: &Spatial) -> Vec<usize> {
    let mut counts = vec![0; spatial.output_count()];
    spatial.for_each_row(&mut |_, to, _, count, _| counts[to..to + count].iter_mut().for_each(|c| *c += 1));
    counts
}

/// For each window position the number of taps inside the operand with its declared padding.
fn declared_counts(spatial: &Spatial, count_pads_end: &[usize]) -> Vec<usize> {
    let missing = 3 - count_pads_end.len();
    let along = |axis: usize, position: usize| {
        let pad = axis.checked_sub(missing).map_or(0, |k| count_pads_end[k]);
        let end = (spatial.input[axis] + pad) as isize;
        (0..spatial.kernel[axis]).filter(|&tap| spatial.coordinate(axis, position, tap) < end).count()
    };
    let [depth, height, width] = spatial.output;
    let mut counts = Vec::with_capacity(spatial.output_count());
    for d in 0..depth {
        for h in 0..height {
            counts.extend((0..width).map(|w| along(0, d) * along(1, h) * along(2, w)));
        }
    }
    counts
}
