//! 1x1 convolution on the blocked layout: a matrix product without copies. With stride 1 the pixels are walked as one
//! axis, unless the tail asks for coordinates.

use super::ConvShape;
use super::dense::{self, Dense};
use super::shape::is_blocked_f32;
use crate::tail::Tail;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Layout, Target};

/// 1x1 convolution on blocked channels.
pub const POINTWISE: Algorithm = Algorithm {
    name: "pointwise",
    about: "1x1 convolution on blocked channels as a matrix product without copies",
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
    let whole_blocks = shape.groups == 1
        || (shape.group_channels().is_multiple_of(target.lanes) && shape.group_outputs().is_multiple_of(target.lanes));
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.is_nonempty()
        && whole_blocks
        && shape.is_pointwise();
    let flattened = shape.window.strides.iter().all(|&s| s == 1) && !Tail::needs_coordinates(region);
    fits.then_some(Dense { shape, flattened })
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    fits(region, target).map_or(vec![], |dense| dense.candidates(POINTWISE.name, region, target, breadth))
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    fits(region, target).map_or(Work::default(), |dense| dense.work(region, candidate, target))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    dense::lower(fits(region, target), region, candidate, target)
}
