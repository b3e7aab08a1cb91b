//! Estimated time of the transforms.

use super::shape::Winograd;
use crate::conv::bilinear::TransformCycles;
use crate::linear_map::LinearMap;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::{Target, Term};
use std::ops::Range;

/// Both transforms: forward of all phases.
pub fn transform_cycles(winograd: &Winograd, target: &Target) -> TransformCycles {
    let tiling = &winograd.tiling;
    // The phases of each kind: how many, and inputs of a tile along each axis.
    let kinds = tiling.axes.iter().fold(vec![(1, vec![])], |kinds: Vec<(usize, Vec<usize>)>, axis| {
        let of_axis = axis.kinds();
        let with = |(count, sizes): &(usize, Vec<usize>)| {
            let each = |(range, size): &(Range<usize>, usize)| (count * range.len(), [&sizes[..], &[*size]].concat());
            of_axis.iter().map(each).collect::<Vec<_>>()
        };
        kinds.iter().flat_map(with).collect()
    });
    let short = |k: usize, sizes: &[usize]| sizes[k] < tiling.axes[k].size;
    let forward = |sizes: &[usize]| {
        let map = |k: usize| if short(k, sizes) { &winograd.axes[k].short } else { &winograd.axes[k].forward };
        target.calibration.get(Term::WinogradForward) * cycles(sizes, map, target)
    };
    let inverse = cycles(&tiling.sizes(), |k| &winograd.axes[k].inverse, target);
    TransformCycles {
        forward: kinds.iter().map(|(count, sizes)| *count as f64 * forward(sizes)).sum(),
        inverse: target.calibration.get(Term::WinogradInverse) * inverse,
    }
}

/// Cycles of the transform of one tile, `sizes` along the axes, of one vector of channels, before the terms that stand for
/// address arithmetic and points that lie far apart.
fn cycles<'a>(sizes: &[usize], map: impl Fn(usize) -> &'a LinearMap, target: &Target) -> f64 {
    let rate = multiply_adds_per_cycle(target);
    let mut dims: Vec<f64> = sizes.iter().map(|&size| size as f64).collect();
    let mut cycles = target.calibration.get(Term::WinogradTile);
    for (k, &points) in sizes.iter().enumerate() {
        if points == 1 {
            continue;
        }
        let map = map(k);
        let lines: f64 = dims.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, d)| d).product();
        let (loads, stores) = (points as f64, map.results() as f64);
        cycles += lines * ((map.instructions() as f64 / rate).max(stores * 2.0 / rate) + loads / rate * 0.5 + 2.0);
        dims[k] = map.results() as f64;
    }
    cycles
}
