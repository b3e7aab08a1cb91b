//! Grouped convolution on blocked channels whose result interleaves the groups: a grouped convolution and the channel
//! shuffle behind it (ShuffleNet: Zhang et al., 2018).
//!
//! The sums of each group's channels, which follow each other, go to workspace; a second kernel gathers every result
//! vector from there and applies the tail. That is one copy, where the shuffle as operators takes three: blocked to
//! plain, transposed, and back.

mod shuffle;

use super::ConvShape;
use super::grouped_dense::MOST_BYTES;
use super::shape::is_blocked_f32;
use super::sum::{dense_sum, group_order, mixed_groups_sum, pack_mixed_groups, pack_weights};
use crate::operand::elements;
use crate::tail::Tail;
use crate::tiled::{self, Input, TiledSum, Tiling, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::Expr;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{Layout, Target};

/// Grouped convolution with interleaved groups.
pub const INTERLEAVED: Algorithm = Algorithm {
    name: "interleaved",
    about: "grouped convolution on blocked channels whose result interleaves the groups: sums, then a shuffle",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// The convolution before the shuffle: the same with groups that follow each other.
struct Grouped {
    shape: ConvShape,
    lanes: usize,
}

impl Grouped {
    fn of(region: &Region, target: &Target) -> Option<Grouped> {
        let shape = ConvShape::of_any_order(region).filter(|shape| shape.interleaved)?;
        let fits = is_blocked_f32(region, target)
            && region.inputs[0].layout == Layout::Blocked(target.lanes)
            && shape.is_nonempty()
            && shape.groups > 1
            && shape.group_outputs() > 1
            && shape.channels * shape.outputs * shape.taps() * 4 <= MOST_BYTES
            && !Tail::needs_coordinates(region);
        fits.then_some(Grouped { shape: ConvShape { interleaved: false, ..shape }, lanes: target.lanes })
    }

    /// Whether every group fills whole blocks.
    fn whole_blocks(&self) -> bool {
        [self.shape.group_channels(), self.shape.group_outputs()].iter().all(|n| n.is_multiple_of(self.lanes))
    }

    fn sum(&self, nv: usize) -> TiledSum {
        if self.whole_blocks() {
            let flattened = self.shape.is_pointwise() && self.shape.window.strides.iter().all(|&s| s == 1);
            dense_sum(&self.shape, Layout::Blocked(self.lanes), self.lanes, nv, flattened)
        } else {
            mixed_groups_sum(&self.shape, self.lanes, nv)
        }
    }
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(grouped) = Grouped::of(region, target) else { return vec![] };
    tiled::tilings(&grouped.sum(1), target, breadth).iter().map(|t| t.candidate(INTERLEAVED.name)).collect()
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let (Some(grouped), Some(tiling)) = (Grouped::of(region, target), Tiling::of(candidate)) else { return vec![] };
    let shape = &grouped.shape;
    let packing = if grouped.whole_blocks() {
        pack_weights(shape, Layout::Blocked(target.lanes), target.lanes, tiling.nv)
    } else {
        pack_mixed_groups(shape, target.lanes, tiling.nv)
    };
    let mut ops = group_order(&ConvShape { interleaved: true, ..grouped.shape });
    ops.extend(packing.ops);
    vec![Packing { input: 1, ops }]
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(grouped), Some(tiling)) = (Grouped::of(region, target), Tiling::of(candidate)) else {
        return Work::default();
    };
    let shuffle = shuffle::cycles(&grouped.shape, grouped.lanes) / target.ceilings.hertz() + cost::CALL_SECONDS;
    let items = shuffle::items(&grouped.shape, grouped.lanes);
    let seconds = tiled::seconds(&grouped.sum(tiling.nv), &tiling, target);
    Work { flops: grouped.shape.flops(), seconds: seconds + shuffle * cost::imbalance(target, items) }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let grouped =
        Grouped::of(region, target).ok_or_else(|| illegal(region, candidate, "layouts or groups do not fit"))?;
    let sum = grouped.sum(tiling.nv);
    let shape = &grouped.shape;
    let op = Op::Conv { window: shape.window.clone(), groups: shape.groups, interleaved: false, tail: Expr::input(0) };
    let sums = Region {
        name: region.name,
        op: &op,
        inputs: region.inputs[..2].to_vec(),
        constants: region.constants[..2].to_vec(),
        outputs: region.outputs.clone(),
    };
    tiled::check(&sums, candidate, &sum, &tiling)?;
    let emitted = tiled::emit(INTERLEAVED.name, &sums, &sum, &tiling, Input::Direct(Operand::Input(0)));
    let mut lowering = LoweringBuilder::default();
    let result = &region.outputs[0];
    let elems = elements(result);
    let workspace = lowering.workspace(elems * size_of::<f32>());
    let place = |operand: Operand| if operand == Operand::Output(0) { workspace } else { operand };
    lowering.call(emitted.kernel, emitted.operands.into_iter().map(place).collect());
    shuffle::lower(&mut lowering, region, shape, grouped.lanes, workspace);
    Ok(lowering.finish())
}
