//! Winograd convolution: minimal filtering F(m, r) along every spatial axis.
//!
//! The result is cut into tiles of m outputs along each axis, and products are taken at the points of their transforms
//! (see [`bilinear`](super::bilinear)). F(4x4, 3x3) needs a quarter of the multiplications of a direct convolution,
//! F(4, 7) along one axis two fifths.
//!
//! With a stride s the window falls into s phases along an axis, filters of r / s taps over every s-th input, and F(m, r / s)
//! of each is summed at the same points: 3x3 of stride 2 by tiles of 4x4 needs 81 products instead of 144, 7x7 needs 169
//! instead of 784.
//!
//! Infinite inputs make NaN of their whole tile.
//!
//! A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2015; J. Yepez and S. Ko, "Stride 2 1-D, 2-D,
//! and 3-D Winograd for convolutional neural networks", 2020.

mod cost;
mod outputs;
mod shape;
mod transform;

use self::shape::Winograd;
use super::ConvShape;
use super::bilinear::{self, Bilinear, Blocking, fits};
use crate::tiled::illegal;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::Target;

/// Winograd convolution on blocked channels.
pub const WINOGRAD: Algorithm = Algorithm {
    name: "winograd",
    about: "convolution by minimal filtering F(m, r) along each spatial axis; with strides, of each phase",
    accuracy: Accuracy::Rounding,
    error: declared_error,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Sizes of tiles are outputs: the m of F(m, r).
const SIZE: &str = "m";

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Winograd> {
    let shape = fits(region, target)?;
    let blocking = Blocking::of(candidate, SIZE, shape.input.len())?;
    Winograd::new(&shape, blocking, target.lanes)
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    let tiling = |m: Vec<usize>| {
        let any = Blocking { tile: m, tiles: 1, mr: 1, nv: 1, shared: false };
        let winograd = Winograd::new(&shape, any, target.lanes)?;
        let transforms = cost::transform_cycles(&winograd, target);
        Some((winograd.tiling, transforms))
    };
    let tilings: Vec<_> = outputs::outputs(&shape).into_iter().filter_map(tiling).collect();
    bilinear::blockings(&tilings, usize::MAX, target, breadth)
        .iter()
        .map(|b| b.candidate(WINOGRAD.name, SIZE))
        .collect()
}

/// The transforms amplify the rounding of the products and of each other.
fn declared_error(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    let Some(winograd) = of(region, candidate, target) else { return f64::INFINITY };
    let amplification: f64 = winograd.axes.iter().map(|a| a.amplification).product();
    let terms = winograd.tiling.phases() * winograd.tiling.shape.group_channels();
    error::sum(terms as f64) * (0.5 + amplification)
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of(region).map_or(0.0, |s| s.flops());
    let estimate = |w: Winograd| bilinear::seconds(&w.tiling, &cost::transform_cycles(&w, target), target);
    let seconds = of(region, candidate, target).map_or(f64::MAX, estimate);
    Work { flops, seconds }
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(winograd) = of(region, candidate, target) else { return vec![] };
    let tiling = &winograd.tiling;
    let (outputs, strides) = (tiling.blocking.tile.clone(), tiling.shape.window.strides.clone());
    let mut ops = vec![Op::FilterTransform { outputs, strides }];
    ops.extend(bilinear::pack_points(tiling));
    vec![Packing { input: 1, ops }]
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let winograd = of(region, candidate, target).ok_or_else(|| {
        illegal(region, candidate, "groups are not whole blocks of channels, or parameters do not fit")
    })?;
    Ok(Bilinear { name: WINOGRAD.name, tiling: &winograd.tiling, transform: &winograd }.lower(region))
}
