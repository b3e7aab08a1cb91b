//! `filter_transform`: filters in the domain of minimal filtering, the packing of Winograd's convolutions.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use crate::minimal_filtering::{MinimalFiltering, Phases};
use cnnc_tensor::{DType, Tensor};

/// Operand `[O, C, kernel..]`; of each phase of its strides, each kernel axis k of r taps becomes `outputs[k] + r - 1`
/// points.
pub(in crate::graph) fn infer((outputs, strides): (&[usize], &[usize]), inputs: &[&TensorType]) -> Inferred {
    let [w] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(matches!(w.dtype, DType::F32 | DType::F64) && w.dims.len() == outputs.len() + 2, || {
        format!("takes filters of f32 or f64 with {} spatial axes, got {w}", outputs.len())
    })?;
    ensure(strides.len() == outputs.len() && strides.iter().chain(&w.dims[2..]).all(|&s| s > 0), || {
        format!("takes a stride of each kernel axis, got {strides:?} for {w}")
    })?;
    let axes = axes(outputs, strides, &w.dims[2..])?;
    let phases = axes.iter().try_fold(w.dims[1], |product, axis| product.checked_mul(axis.phases.count));
    let mut dims = vec![w.dims[0], phases.ok_or("has too many phases")?];
    dims.extend(axes.iter().map(|axis| axis.filtering.points()));
    Ok(vec![TensorType { dims, ..w.clone() }])
}

/// In f64, rounded once.
pub(in crate::graph) fn eval(
    (outputs, strides): (&[usize], &[usize]),
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let w = inputs[0];
    let axes = axes(outputs, strides, &w.dims()[2..])?;
    let mut values = split(&w.to_f64_vec(), w.dims(), &axes);
    let mut inner = 1;
    for axis in axes.iter().rev() {
        values = along(&values, &axis.filtering.filter, axis.phases.taps, inner);
        inner *= axis.filtering.points();
    }
    Ok(vec![f64::tensor(ty, &values)?])
}

/// A kernel axis: F(m, r) of its phases.
struct Axis {
    taps: usize,
    stride: usize,
    phases: Phases,
    filtering: MinimalFiltering,
}

fn axes(outputs: &[usize], strides: &[usize], kernel: &[usize]) -> Result<Vec<Axis>, String> {
    let axis = |((&m, &stride), &taps): ((&usize, &usize), &usize)| {
        let phases = Phases::of(taps, stride);
        let filtering =
            MinimalFiltering::new(m, phases.taps).ok_or_else(|| format!("there is no F({m}, {})", phases.taps))?;
        Ok(Axis { taps, stride, phases, filtering })
    };
    outputs.iter().zip(strides).zip(kernel).map(axis).collect()
}

/// From `[O, C, kernel..]` to `[O, phases.., C, taps of a phase..]`, zeros for the taps that a phase lacks.
fn split(values: &[f64], dims: &[usize], axes: &[Axis]) -> Vec<f64> {
    let taps: usize = axes.iter().map(|axis| axis.taps).product();
    let of_phases: Vec<usize> = axes.iter().map(|axis| axis.phases.count).collect();
    let of_taps: Vec<usize> = axes.iter().map(|axis| axis.phases.taps).collect();
    // Where in a filter each tap of each phase is.
    let place = |phase: &[usize], tap: &[usize]| {
        axes.iter().zip(phase.iter().zip(tap)).try_fold(0, |flat, (axis, (phase, tap))| {
            let tap = phase + axis.stride * tap;
            (tap < axis.taps).then_some(flat * axis.taps + tap)
        })
    };
    let taps_of_phase = coordinates(&of_taps);
    let phases: Vec<Vec<Option<usize>>> = coordinates(&of_phases)
        .iter()
        .map(|phase| taps_of_phase.iter().map(|tap| place(phase, tap)).collect())
        .collect();
    let mut out = Vec::with_capacity(dims[0] * dims[1] * phases.len() * taps_of_phase.len());
    for filters in values.chunks_exact((dims[1] * taps).max(1)) {
        for phase in &phases {
            for filter in filters.chunks_exact(taps) {
                out.extend(phase.iter().map(|at| at.map_or(0.0, |at| filter[at])));
            }
        }
    }
    out
}

/// All coordinates below `dims`, the last fastest.
fn coordinates(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![vec![]], |all, &extent| {
        all.iter().flat_map(|at| (0..extent).map(|k| [&at[..], &[k]].concat())).collect()
    })
}

/// A matrix applied along an axis of `size`, inside which `inner` elements lie.
fn along(values: &[f64], matrix: &[Vec<f64>], size: usize, inner: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len() / size.max(1) * matrix.len());
    for slab in values.chunks_exact((size * inner).max(1)) {
        for row in matrix {
            let from = out.len();
            out.resize(from + inner, 0.0);
            for (&factor, line) in row.iter().zip(slab.chunks_exact(inner.max(1))) {
                out[from..].iter_mut().zip(line).for_each(|(sum, v)| *sum += factor * v);
            }
        }
    }
    out
}
