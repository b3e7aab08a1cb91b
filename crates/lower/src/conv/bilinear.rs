//! Convolution by products at points: what the bilinear algorithms (Winograd, FFT) have in common.
//!
//! The result is cut into tiles, whose inputs overlap by the window. A tile's inputs are transformed, multiplied point by
//! point with the transformed weights, which is one matrix product of channels at each point, and transformed back.
//! Tiles of all images form one list, and a block of them is done at a time: its transformed input stays in the
//! second-level cache over all outputs, and the products of a bundle of outputs in the first.
//!
//! A window with strides is the sum of its phases, each over every s-th input: they are transformed one by one, and their
//! products summed at the points ([`Phases`](cnnc_ir::minimal_filtering::Phases)).
//!
//! An algorithm brings the size of its tiles, the transforms of one and the operators that transform the weights.

mod blockings;
mod cost;
mod grid;
mod input;
mod kernel;
mod output;
mod phases;
mod tiling;

pub use blockings::blockings;
pub use cost::{TransformCycles, seconds};
pub use grid::{Grid, Points, StoreLine};
pub use kernel::Bilinear;
pub use tiling::{Blocking, TileAxis, Tiling};

use super::ConvShape;
use super::shape::is_blocked_f32;
use crate::Region;
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::kernel::{Buf, KernelBuilder};
use cnnc_tensor::{Layout, Target};

/// The transforms of a tile, on vectors of channels.
pub trait TileTransform {
    /// Vectors that a transform keeps between its passes.
    fn between(&self) -> usize;

    /// From the inputs of a tile, `sizes` along the axes, to its points. `between` is scratch of as many vectors. For phases
    /// with a tap less than others, there is an input less, and no last point.
    fn forward(&self, b: &mut KernelBuilder, sizes: &[usize], from: &Grid, between: Buf, to: &Points);

    /// From the products at the points to the outputs of a tile, line by line along [`Tiling::line_axis`]. `between`
    /// is scratch.
    fn inverse(&self, b: &mut KernelBuilder, from: &Points, between: Buf, store: &mut StoreLine);
}

/// The shape of a convolution with constant weights in blocked channels, whose groups are whole blocks; `None` for others.
pub fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let is_whole = |channels: usize| channels.is_multiple_of(target.lanes);
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && region.constants[1].is_some()
        && shape.is_nonempty()
        && (shape.groups == 1 || is_whole(shape.group_channels()) && is_whole(shape.group_outputs()))
        && shape.taps() > 1
        && shape.window.dilations.iter().all(|&d| d == 1);
    fits.then_some(shape)
}

/// From weights `[outputs, phases * channels of a group, points..]` to `[bundle][point][phase][channel][nv * lanes]`.
pub fn pack_points(tiling: &Tiling) -> Vec<Op> {
    let shape = &tiling.shape;
    let width = tiling.blocking.nv * tiling.lanes;
    let (outputs, channels) = (tiling.bundles() * width, tiling.product().channel_blocks() * tiling.lanes);
    let (phases, points, summed) = (tiling.phases(), tiling.points, shape.group_channels());
    let mut ops = vec![Op::Reshape { dims: vec![shape.outputs, phases, summed, points] }];
    if (outputs, channels) != (shape.outputs, summed) {
        let end = [outputs - shape.outputs, 0, channels - summed, 0];
        let end = end.iter().map(|&more| more as isize).collect();
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; 4], end });
    }
    ops.push(Op::Reshape { dims: vec![tiling.bundles(), width, phases * channels, points] });
    ops.push(Op::Transpose { perm: vec![0, 3, 2, 1] });
    ops
}
