//! Grouped convolution whose groups neither fill whole blocks of channels nor fit inside one (ShuffleNet): weights of
//! all channels, zero outside the groups, of which each bundle sums only the blocks that its groups touch.

use super::ConvShape;
use super::shape::is_blocked_f32;
use super::sum::{mixed_groups_sum, pack_mixed_groups};
use crate::tiled::{self, Tiling, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Layout, Target};

/// Grouped convolution over dense weights.
pub const GROUPED_DENSE: Algorithm = Algorithm {
    name: "grouped_dense",
    about: "grouped convolution on blocked channels over weights that are zero outside the groups",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Bytes of dense weights above which they are too many.
pub(super) const MOST_BYTES: usize = 32 << 20;

fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let whole_blocks =
        shape.group_channels().is_multiple_of(target.lanes) && shape.group_outputs().is_multiple_of(target.lanes);
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.is_nonempty()
        && shape.groups > 1
        && shape.group_channels() * shape.group_outputs() > 1
        && !whole_blocks
        && shape.channels * shape.outputs * shape.taps() * 4 <= MOST_BYTES;
    fits.then_some(shape)
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    let tilings = tiled::tilings(&mixed_groups_sum(&shape, target.lanes, 1), target, breadth);
    tilings.iter().map(|t| t.candidate(GROUPED_DENSE.name)).collect()
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    match (ConvShape::of(region), Tiling::of(candidate)) {
        (Some(shape), Some(tiling)) => vec![pack_mixed_groups(&shape, target.lanes, tiling.nv)],
        _ => vec![],
    }
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (fits(region, target), Tiling::of(candidate)) else { return Work::default() };
    let sum = mixed_groups_sum(&shape, target.lanes, tiling.nv);
    Work { flops: shape.flops(), seconds: tiled::seconds(&sum, &tiling, target) }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let shape = fits(region, target).ok_or_else(|| illegal(region, candidate, "layouts or groups do not fit"))?;
    tiled::lower(region, candidate, &mixed_groups_sum(&shape, target.lanes, tiling.nv), &tiling)
}
