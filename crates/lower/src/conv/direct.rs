//! Direct convolution: blocked input and result, any window, stride, dilation and padding, one to three spatial axes;
//! groups whose channels fill whole blocks. Padding is skipped, not multiplied.

use super::ConvShape;
use super::dense::{self, Dense};
use super::shape::is_blocked_f32;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Layout, Target};

/// Direct convolution on blocked channels.
pub const DIRECT: Algorithm = Algorithm {
    name: "direct",
    about: "direct convolution on blocked channels, register tiles of pixels x output channels",
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
        && !shape.is_pointwise();
    fits.then_some(Dense { shape, flattened: false })
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    fits(region, target).map_or(vec![], |dense| dense.candidates(DIRECT.name, region, target, breadth))
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    fits(region, target).map_or(Work::default(), |dense| dense.work(region, candidate, target))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    dense::lower(fits(region, target), region, candidate, target)
}
