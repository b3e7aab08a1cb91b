//! Matrix products at a number of points, in register tiles: the middle of every bilinear algorithm (Winograd, Strassen),
//! between a transform of the input and one to the result.
//!
//! At each point tiles x channels are multiplied with channels x outputs. The transformed input of a block of tiles lies
//! as `[point][phase][channel block][tile][lanes]`, the weights as `[bundle][point][phase][channel][nv * lanes]`, and the
//! products of a bundle of outputs as `[point][tile][nv * lanes]`. A convolution with strides sums over several phases of
//! its channels, some of which have nothing at some points; all others have one phase.

mod sum;

use self::sum::Sum;
use crate::cost::imbalance_with_short;
use crate::tiled::{SPAN, multiply_adds_per_cycle};
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::{Target, Term};
use std::ops::Range;

/// Extents of the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointProduct {
    /// Points.
    pub points: usize,
    /// Phases that are summed.
    pub phases: usize,
    /// Channels of each that are summed.
    pub channels: usize,
    /// Blocks of channels of each phase that the transformed input has: with groups, more than are summed.
    pub input_blocks: usize,
    /// Tiles of a block, a multiple of `mr`.
    pub tiles: usize,
    /// Tiles of a register tile.
    pub mr: usize,
    /// Result vectors of a register tile, and of a bundle.
    pub nv: usize,
    /// Lanes of a vector, and channels of a block.
    pub lanes: usize,
}

/// Points at which the same phases are summed: a box of the grid of all points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointGroup {
    /// The points along each axis of the grid, and points from one to the next.
    pub axes: Vec<(Range<usize>, usize)>,
    /// The phases, as runs of neighbours.
    pub phases: Vec<Range<usize>>,
}

impl PointGroup {
    /// All of so many points, with one phase.
    pub fn all(points: usize) -> PointGroup {
        PointGroup { axes: vec![(0..points, 1)], phases: std::iter::once(0..1).collect() }
    }

    /// Points.
    pub fn points(&self) -> usize {
        self.axes.iter().map(|(range, _)| range.len()).product()
    }

    /// Phases that are summed.
    pub fn depth(&self) -> usize {
        self.phases.iter().map(Range::len).sum()
    }
}

/// Buffers of the products.
#[derive(Clone, Copy, Debug)]
pub struct ProductBuffers {
    /// Transformed input.
    pub input: Buf,
    /// Transformed weights.
    pub weights: Buf,
    /// Products of a bundle.
    pub out: Buf,
}

impl PointProduct {
    /// Blocks of channels that are summed.
    pub fn channel_blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// Channels of a chain of multiply-adds: so many that a bundle's weights of them, which all tiles use before those of
    /// the next chain are used, fill half of a common first-level cache.
    pub fn span(&self) -> usize {
        const WEIGHTS: usize = 16 << 10;
        let fitting = WEIGHTS / (self.nv * self.lanes * size_of::<f32>());
        (fitting.min(SPAN) / self.lanes * self.lanes).max(self.lanes)
    }

    /// Elements from one point of a block's transformed input to the next: `[phase][channel block][tile][lanes]`, and a
    /// little more, so that the points of a tile lie in different sets of the first-level cache.
    pub fn input_stride(&self) -> usize {
        spread(self.phases * self.input_blocks * self.tiles * self.lanes)
    }

    /// Elements of a block's transformed input.
    pub fn input_elems(&self) -> usize {
        self.points * self.input_stride()
    }

    /// Register tiles of so many tiles at a point.
    pub fn register_tiles(&self, tiles: usize) -> usize {
        tiles / self.tiles * (self.tiles / self.mr) + (tiles % self.tiles).div_ceil(self.mr)
    }

    /// The work of the busiest thread over that of the average, where threads share the blocks of so many tiles, each in
    /// so many equal parts.
    pub fn imbalance(&self, tiles: usize, parts: usize, target: &Target) -> f64 {
        let (full, short) = (tiles / self.tiles * parts, if tiles.is_multiple_of(self.tiles) { 0 } else { parts });
        let share = self.register_tiles(tiles % self.tiles) as f64 / self.register_tiles(self.tiles) as f64;
        imbalance_with_short(target, full, short, share)
    }

    /// Estimated cycles of a register tile at a point that sums so many phases: its multiply-adds, or the loads that feed
    /// them. The weights of a chain are read for every one, from the cache that holds them.
    pub fn tile_cycles(&self, phases: usize, target: &Target) -> f64 {
        let term = |term: Term| target.calibration.get(term);
        let (mr, nv, vector) = (self.mr as f64, self.nv as f64, self.lanes as f64 * 4.0);
        let depth = (phases * self.channels) as f64;
        // Vectors of which one multiply-add is started in a cycle are loaded one in a cycle, too, and broadcast three.
        let halved = target.lanes >= 16 && target.ceilings.multiply_adds == 1;
        let loads = if halved { nv + mr / 3.0 } else { (nv + mr) / term(Term::TiledLoads) };
        let ceilings = &target.ceilings;
        let chains = (depth / self.span() as f64).round().max(1.0);
        let held = depth / chains * nv * vector < term(Term::HeldByL1) * target.l1 as f64;
        let streamed = nv * vector / ceilings.bytes_per_cycle(if held { ceilings.l1 } else { ceilings.l2 });
        let slowest = (mr * nv / multiply_adds_per_cycle(target)).max(loads).max(4.0).max(streamed);
        let step = slowest + term(Term::PointLoadsBeside) * loads + term(Term::PointWeightsBeside) * streamed;
        step * depth * 1.03 + chains * (mr * nv * term(Term::PointEndOfVector) + term(Term::PointEnd))
    }

    /// Elements from one point of a bundle's products to the next: `[tile][nv * lanes]`, and a little more.
    pub fn product_stride(&self) -> usize {
        spread(self.tiles * self.nv * self.lanes)
    }

    /// Elements of a bundle's products.
    pub fn product_elems(&self) -> usize {
        self.points * self.product_stride()
    }

    /// The products of a bundle at the points of `groups`.
    pub fn emit(&self, b: &mut KernelBuilder, buffers: &ProductBuffers, groups: &[PointGroup], place: &ProductPlace) {
        let weights = self.weights_stride() as i64;
        let rounded = b.offset(place.count, self.mr as i64 - 1);
        let (tiles, _) = b.div_rem(rounded, self.mr as i64);
        for group in groups {
            let sum = Sum::new(self, group, place.vectors);
            each_point(b, &group.axes, None, &mut |b, point| {
                let x = b.address(0, &[(place.input, 1), (point, self.input_stride() as i64)]);
                let w = b.address(0, &[(place.bundle, self.points as i64 * weights), (point, weights)]);
                let out = b.scale(point, self.product_stride() as i64);
                sum.emit(b, buffers, tiles, (x, w, out));
            });
        }
    }

    /// Elements of a bundle's weights from one point to the next.
    fn weights_stride(&self) -> usize {
        self.phases * self.channel_blocks() * self.lanes * self.nv * self.lanes
    }
}

/// Where products are taken.
#[derive(Clone, Copy, Debug)]
pub struct ProductPlace {
    /// Element at which the transformed input of the block begins, that of the bundle's group.
    pub input: Val,
    /// The bundle.
    pub bundle: Val,
    /// Vectors of it that are there.
    pub vectors: usize,
    /// Tiles of the block that are there.
    pub count: Val,
}

/// Loops over a box of points.
fn each_point(
    b: &mut KernelBuilder,
    axes: &[(Range<usize>, usize)],
    so_far: Option<Val>,
    act: &mut dyn FnMut(&mut KernelBuilder, Val),
) {
    let Some(((range, stride), inner)) = axes.split_first() else {
        let point = so_far.unwrap_or_else(|| b.index(0));
        return act(b, point);
    };
    b.serial(range.start as i64, range.end as i64, |b, k| {
        let terms: Vec<(Val, i64)> = so_far.map(|p| (p, 1)).into_iter().chain([(k, *stride as i64)]).collect();
        let point = b.address(0, &terms);
        each_point(b, inner, Some(point), act);
    });
}

/// The next number of elements that fills an odd number of cache lines.
fn spread(elems: usize) -> usize {
    const LINE: usize = 16;
    let lines = elems.div_ceil(LINE);
    (lines + usize::from(lines.is_multiple_of(2))) * LINE
}
