//! Estimated time of the transforms.

use super::shape::Winograd;
use crate::conv::bilinear::TransformCycles;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::{Target, Term};

/// Both transforms.
pub fn transform_cycles(winograd: &Winograd, target: &Target) -> TransformCycles {
    TransformCycles { forward: cycles(winograd, target, true), inverse: cycles(winograd, target, false) }
}

/// Cycles of the transform of one tile of one vector of channels.
fn cycles(winograd: &Winograd, target: &Target, forward: bool) -> f64 {
    let rate = multiply_adds_per_cycle(target);
    let mut dims: Vec<f64> = winograd.tiling.axes.iter().map(|a| a.size as f64).collect();
    let mut cycles = target.calibration.get(Term::WinogradTile);
    for (k, axis) in winograd.axes.iter().enumerate() {
        let points = winograd.tiling.axes[k].size;
        if points == 1 {
            continue;
        }
        let map = if forward { &axis.forward } else { &axis.inverse };
        let lines: f64 = dims.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, d)| d).product();
        let (loads, stores) = (points as f64, map.results() as f64);
        cycles += lines * ((map.instructions() as f64 / rate).max(stores * 2.0 / rate) + loads / rate * 0.5 + 2.0);
        dims[k] = map.results() as f64;
    }
    // Address arithmetic, and points that lie far apart.
    target.calibration.get(if forward { Term::WinogradForward } else { Term::WinogradInverse }) * cycles
}
