//! Matrix products at a number of points, in register tiles: the middle of every bilinear algorithm (Winograd, Strassen),
//! between a transform of the input and one to the result.
//!
//! At each point tiles x channels are multiplied with channels x outputs. The transformed input of a block of tiles lies
//! as `[point][phase][channel block][tile][lanes]`, the weights as `[bundle][point][phase][channel][nv * lanes]`, and the
//! products of a bundle of outputs as `[point][tile][nv * lanes]`. A convolution with strides sums over several phases of
//! its channels, some of which have nothing at some points; all others have one phase.

use crate::tiled::{
    Accumulators, Ahead, Channels, RowAxis, SPAN, Segment, Streams, WindowAxis, multiply_adds_per_cycle,
};
use cnnc_ir::kernel::{Axis, Buf, KernelBuilder, Val};
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
    /// Blocks of channels.
    pub fn channel_blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// Elements from one point of a block's transformed input to the next: `[phase][channel block][tile][lanes]`, and a
    /// little more, so that the points of a tile lie in different sets of the first-level cache.
    pub fn input_stride(&self) -> usize {
        spread(self.phases * self.channel_blocks() * self.tiles * self.lanes)
    }

    /// Elements of a block's transformed input.
    pub fn input_elems(&self) -> usize {
        self.points * self.input_stride()
    }

    /// Register tiles of so many tiles at a point.
    pub fn register_tiles(&self, tiles: usize) -> usize {
        tiles / self.tiles * (self.tiles / self.mr) + (tiles % self.tiles).div_ceil(self.mr)
    }

    /// Estimated cycles of a register tile at a point that sums so many phases: its multiply-adds, or the loads that feed
    /// them. The weights of a chain are read for every one, from the cache that holds them.
    pub fn tile_cycles(&self, phases: usize, target: &Target) -> f64 {
        let term = |term: Term| target.calibration.get(term);
        let (mr, nv, vector) = (self.mr as f64, self.nv as f64, self.lanes as f64 * 4.0);
        let depth = (phases * self.channels) as f64;
        let loads = if target.lanes >= 16 { nv + mr / 3.0 } else { (nv + mr) / term(Term::TiledLoads) };
        let ceilings = &target.ceilings;
        let chains = (depth / SPAN as f64).round().max(1.0);
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

    /// The points of `groups` of a bundle whose last vectors may be missing (`vectors` are there), for the register tiles
    /// that hold `count` tiles. `input` is the element at which the block's transformed input begins.
    pub fn emit(&self, b: &mut KernelBuilder, buffers: &ProductBuffers, groups: &[PointGroup], place: &ProductPlace) {
        let (lanes, mr) = (self.lanes as i64, self.mr as i64);
        let width = self.nv as i64 * lanes;
        let weights = self.weights_stride() as i64;
        let rounded = b.offset(place.count, mr - 1);
        let (tiles, _) = b.div_rem(rounded, mr);
        for group in groups {
            let sum = Sum::new(self, group, place.vectors);
            each_point(b, &group.axes, None, &mut |b, point| {
                let x = b.address(0, &[(place.input, 1), (point, self.input_stride() as i64)]);
                let w = b.address(0, &[(place.bundle, self.points as i64 * weights), (point, weights)]);
                let out = b.scale(point, self.product_stride() as i64);
                let mut stored = false;
                for chain in &sum.chains {
                    let each = |b: &mut KernelBuilder, k: Val, stored: bool| {
                        let x = b.address(0, &[(x, 1), (k, chain.blocks() as i64 * self.tiles as i64 * lanes)]);
                        let w = b.address(0, &[(w, 1), (k, chain.blocks() as i64 * lanes * width)]);
                        let tile = |b: &mut KernelBuilder, tile: Val| {
                            let x = b.address(0, &[(x, 1), (tile, mr * lanes)]);
                            let out = b.address(0, &[(out, 1), (tile, mr * width)]);
                            let uses = (b.scale(tile, mr), self.tiles);
                            sum.emit(b, buffers, chain, stored, uses, (x, w, out));
                        };
                        let zero = b.index(0);
                        match b.known_index(tiles) {
                            Some(tiles) => b.serial(0, tiles, tile),
                            None => b.for_axis(Axis::Serial, zero, tiles, 1, tile),
                        }
                    };
                    if !stored {
                        let zero = b.index(0);
                        each(b, zero, false);
                    }
                    b.serial(i64::from(!stored), chain.times as i64, |b, k| each(b, k, true));
                    stored = true;
                }
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
    /// Element at which the transformed input of the block begins.
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

/// The sums at the points of a group.
struct Sum<'a> {
    product: &'a PointProduct,
    vectors: usize,
    columns: RowAxis,
    segment: Segment,
    chains: Vec<Chain>,
}

/// Terms that are summed in one chain of multiply-adds. Its weights are used by all tiles before those of the next one
/// are, so that they stay in the first-level cache.
struct Chain {
    /// Channels that lie together: the number of their first block, and how many.
    runs: Vec<(usize, usize)>,
    /// How often, each time by as many blocks further.
    times: usize,
    lanes: usize,
}

impl Chain {
    fn blocks(&self) -> usize {
        self.runs.iter().map(|(_, count)| count.div_ceil(self.lanes)).sum()
    }
}

/// The chains of runs of channels: (first block, channels), for blocks of so many lanes.
fn chains(runs: &[(usize, usize)], lanes: usize) -> Vec<Chain> {
    let span = (SPAN / lanes).max(1);
    let most = span + span / 2;
    let mut chains: Vec<Chain> = vec![];
    for &(first, count) in runs {
        let blocks = count.div_ceil(lanes);
        if blocks > most {
            let times = blocks / span;
            chains.push(Chain { runs: vec![(first, span * lanes)], times, lanes });
            let rest = (first + times * span, count - (times * span * lanes).min(count));
            chains.extend((rest.1 > 0).then(|| Chain { runs: vec![rest], times: 1, lanes }));
            continue;
        }
        match chains.last_mut() {
            Some(last) if last.times == 1 && last.blocks() + blocks <= most => last.runs.push((first, count)),
            _ => chains.push(Chain { runs: vec![(first, count)], times: 1, lanes }),
        }
    }
    chains
}

impl<'a> Sum<'a> {
    fn new(product: &'a PointProduct, group: &PointGroup, vectors: usize) -> Sum<'a> {
        let (lanes, blocks) = (product.lanes, product.channel_blocks());
        let columns = RowAxis { axis: WindowAxis::plain(product.mr), x_stride: lanes as i64, w_stride: 0 };
        let segment = columns.axis.segments(product.mr).swap_remove(0);
        // Blocks of channels that are full lie together over phases.
        let together = product.channels.is_multiple_of(lanes);
        let runs = group.phases.iter().flat_map(|run| match together {
            true => vec![(run.start * blocks, run.len() * product.channels)],
            false => run.clone().map(|phase| (phase * blocks, product.channels)).collect(),
        });
        let chains = chains(&runs.collect::<Vec<_>>(), lanes);
        Sum { product, vectors, columns, segment, chains }
    }

    /// A chain of a register tile, added to what was `stored` before. `uses` are the number of its first tile and of all,
    /// `x`, `w` and `out` the elements of its first input and product and of the point's first weight.
    fn emit(
        &self,
        b: &mut KernelBuilder,
        buffers: &ProductBuffers,
        chain: &Chain,
        stored: bool,
        uses: (Val, usize),
        (x, w, out): (Val, Val, Val),
    ) {
        let product = self.product;
        let acc = Accumulators::declare(b, product.mr, self.vectors, product.lanes as u16);
        let row = product.nv * product.lanes;
        let (x_block, w_block) = ((product.tiles * product.lanes) as i64, (product.lanes * row) as i64);
        acc.clear(b);
        for &(first, count) in &chain.runs {
            let channels =
                Channels { count, block: product.lanes, x_block, x_channel: 1, w_block, w_channel: row as i64 };
            let x = b.offset(x, first as i64 * x_block);
            let w = b.offset(w, first as i64 * w_block);
            let blocks = channels.blocks();
            let streams = Streams {
                x: buffers.input,
                w: buffers.weights,
                rows: &[],
                columns: &self.columns,
                segment: &self.segment,
                channels: &channels,
                w_vector: product.lanes as i64,
                w_counts: vec![None; self.vectors],
                // What follows a run is what is used next, but for the last ones of some points.
                ahead: Ahead::new(b, (w, blocks * w_block as usize), uses, product.mr),
            };
            let bounds = (b.index(0), b.index(blocks as i64));
            streams.accumulate(b, &acc, bounds, x, w);
        }
        if stored {
            acc.add(b, buffers.out, out, row);
        }
        acc.store(b, buffers.out, out, row);
    }
}

/// The next number of elements that fills an odd number of cache lines.
fn spread(elems: usize) -> usize {
    const LINE: usize = 16;
    let lines = elems.div_ceil(LINE);
    (lines + usize::from(lines.is_multiple_of(2))) * LINE
}
