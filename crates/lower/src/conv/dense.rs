//! What the dense algorithms share: a convolution that fits one becomes a register-tiled sum, and the rest follows.

use super::{ConvShape, dense_sum, pack_weights};
use crate::tiled::{self, TiledSum, Tiling};
use crate::{Breadth, LowerError, Lowering, Packing, Region, Work, cost};
use cnnc_ir::graph::Candidate;
use cnnc_tensor::Target;

/// Bodies of unrolled edge tiles above which code would be too large (long windows with much padding).
const MOST_BODIES: usize = 160;

/// A convolution that a dense algorithm takes.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Its shape.
    pub shape: ConvShape,
    /// Whether its pixels are walked as one axis.
    pub flattened: bool,
}

impl Dense {
    fn sum(&self, region: &Region, target: &Target, nv: usize) -> TiledSum {
        dense_sum(&self.shape, region.inputs[0].layout, target.lanes, nv, self.flattened)
    }

    /// Candidates of an algorithm.
    pub fn candidates(&self, name: &str, region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
        let sum = self.sum(region, target, 1);
        let mut tilings = tiled::tilings(&sum, target, breadth);
        let fewest = tilings.iter().map(|t| bodies(&sum, t)).min().unwrap_or(0);
        tilings.retain(|t| bodies(&sum, t) <= MOST_BODIES.max(fewest));
        tilings.iter().map(|t| t.candidate(name)).collect()
    }

    /// Arithmetic and time of a candidate.
    pub fn work(&self, region: &Region, candidate: &Candidate, target: &Target) -> Work {
        let flops = self.shape.flops();
        // Weights that are no constants are packed at each run.
        let weights = 6.0 * region.inputs[1].bytes() as f64;
        let packing = if region.constants[1].is_none() { cost::roofline(target, 0.0, 1.0, weights, 2) } else { 0.0 };
        let Some(tiling) = Tiling::of(candidate) else { return Work { flops, seconds: f64::MAX } };
        let sum = self.sum(region, target, tiling.nv);
        Work { flops, seconds: packing + tiled::seconds(&sum, &tiling, target) }
    }
}

/// The packed weights of a candidate of a dense algorithm.
pub fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    match (ConvShape::of(region), Tiling::of(candidate)) {
        (Some(shape), Some(tiling)) => vec![pack_weights(&shape, region.inputs[0].layout, target.lanes, tiling.nv)],
        _ => vec![],
    }
}

/// The lowering of a candidate of a dense algorithm; `dense` is what the algorithm takes, if it takes the region.
pub fn lower(
    dense: Option<Dense>,
    region: &Region,
    candidate: &Candidate,
    target: &Target,
) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| tiled::illegal(region, candidate, "parameters are missing"))?;
    let dense = dense.ok_or_else(|| tiled::illegal(region, candidate, "layouts or channels do not fit"))?;
    tiled::lower(region, candidate, &dense.sum(region, target, tiling.nv), &tiling)
}

/// Bodies of code that a tiling needs: one for each change of valid positions along the taps of each kind of tile.
fn bodies(sum: &TiledSum, tiling: &Tiling) -> usize {
    let segments = sum.columns.axis.segments(tiling.mr);
    segments.iter().map(|s| 1 + s.valid.windows(2).filter(|pair| pair[0] != pair[1]).count()).sum()
}
