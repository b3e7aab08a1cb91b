//! Estimated time of the transforms.

use super::shape::Winograd;
use crate::conv::bilinear::TransformCycles;
use crate::linear_map::LinearMap;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::{Target, Term};

/// Both transforms: forward of all phases.
pub fn transform_cycles(winograd: &Winograd, target: &Target) -> TransformCycles {
    let tiling = &winograd.tiling;
    let forward = |sizes: &[usize]| {
        target.calibration.get(Term::WinogradForward) * cycles(sizes, |k| winograd.forward_map(k, sizes[k]), target)
    };
    let inverse = cycles(&tiling.sizes(), |k| &winograd.axes[k].inverse, target);
    TransformCycles {
        forward: tiling.phase_kinds().iter().map(|(count, sizes)| *count as f64 * forward(sizes)).sum(),
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
