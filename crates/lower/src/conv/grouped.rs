//! Grouped convolution with small groups, or several outputs to an input channel: vectors over output channels, each
//! lane's input channel brought to it by a shuffle. No multiplication is wasted on channels of other groups.

use super::ConvShape;
use super::depthwise::{estimate, from_candidate, tilings};
use super::lanewise::Lanewise;
use super::shape::is_blocked_f32;
use crate::tiled::{illegal, multiply_adds_per_cycle};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Layout, Target};

/// Grouped convolution by shuffles on blocked channels.
pub const GROUPED: Algorithm = Algorithm {
    name: "grouped",
    about: "convolution of small groups on blocked channels, inputs shuffled to the lanes of their group",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.groups > 1
        && shape.group_channels() * shape.group_outputs() > 1;
    fits.then_some(shape)
}

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Lanewise> {
    from_candidate(fits(region, target)?, candidate, target)
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    let found = tilings(GROUPED.name, &shape, target, breadth);
    found.into_iter().filter(|c| from_candidate(shape.clone(), c, target).is_some()).collect()
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    of(region, candidate, target).map_or(vec![], |conv| vec![conv.packing()])
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let Some(shape) = fits(region, target) else { return Work::default() };
    let flops = shape.flops();
    // One shuffle serves the column taps that read the same input.
    let taps = shape.window.kernel.last().copied().unwrap_or(1).max(1);
    let per_step = 1.0 / multiply_adds_per_cycle(target) + 1.0 / taps as f64;
    of(region, candidate, target)
        .map_or(Work { flops, seconds: 0.0 }, |conv| estimate(&conv, region, target, flops, per_step))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let conv = of(region, candidate, target)
        .ok_or_else(|| illegal(region, candidate, "groups do not fit a block of channels"))?;
    Ok(conv.lower(GROUPED.name, region))
}
