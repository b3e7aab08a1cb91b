//! Estimated time of the transforms.

use super::shape::{Fft, Pass};
use crate::conv::bilinear::TransformCycles;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::{Target, Term};

/// Cycles of a vector of the patch into which a tile at the border is copied.
const COPIED: f64 = 6.0;

/// Both transforms.
pub fn transform_cycles(fft: &Fft, target: &Target) -> TransformCycles {
    let sizes = fft.tiling.sizes();
    let kept: Vec<usize> = fft.tiling.axes.iter().map(|a| a.m).collect();
    let copied = COPIED * border(fft) * fft.tiling.size() as f64;
    TransformCycles {
        forward: copied + cycles(fft, &fft.forward, &sizes, target),
        inverse: cycles(fft, &fft.inverse, &kept, target),
    }
}

/// Share of the tiles that reach into the padding or beyond the image.
fn border(fft: &Fft) -> f64 {
    let inside = |a: &crate::conv::bilinear::TileAxis| {
        let is_inside = |tile: &usize| tile * a.m >= a.pad && tile * a.m + a.size <= a.input + a.pad;
        (0..a.tiles).filter(is_inside).count() as f64 / a.tiles as f64
    };
    1.0 - fft.tiling.axes.iter().map(inside).product::<f64>()
}

fn cycles(fft: &Fft, passes: &[Pass], before: &[usize], target: &Target) -> f64 {
    let rate = multiply_adds_per_cycle(target);
    let of_line = |pass: &Pass| {
        fft.spectrum.lines(pass.axis, before).iter().fold(0.0, |sum, lines| {
            let program = pass.program(lines);
            let moved = 0.5 * program.operands() as f64 + program.results() as f64;
            sum + lines.count() as f64 * ((program.instructions() as f64 + moved) / rate + 4.0)
        })
    };
    // Values that do not fit the registers.
    25.0 + target.calibration.get(Term::FftTransform) * passes.iter().map(of_line).sum::<f64>()
}
