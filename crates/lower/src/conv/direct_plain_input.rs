//! Direct convolution that reads the plain layout and writes the blocked one: first layers, whose few channels would
//! fill a block with zeros. Positions of a register tile are neighbouring floats, each broadcast.

use super::ConvShape;
use super::dense::{self, Dense};
use super::shape::is_blocked_f32;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Layout, Target};

/// Direct convolution from plain to blocked channels.
pub const DIRECT_PLAIN_INPUT: Algorithm = Algorithm {
    name: "direct_plain_input",
    about: "direct convolution from plain channels to blocked ones, for the first layers",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings: dense::packings,
    work,
    lower,
};

fn fits(region: &Region, target: &Target) -> Option<Dense> {
    let shape = ConvShape::of(region)?;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Plain
        && shape.is_nonempty()
        && (shape.groups == 1 || shape.group_outputs().is_multiple_of(target.lanes));
    fits.then_some(Dense { shape, flattened: false })
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    fits(region, target).map_or(vec![], |dense| dense.candidates(DIRECT_PLAIN_INPUT.name, region, target, breadth))
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    fits(region, target).map_or(Work::default(), |dense| dense.work(region, candidate, target))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    dense::lower(fits(region, target), region, candidate, target)
}
