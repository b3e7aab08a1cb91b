//! The sums of all tiles at a point, chain by chain.

use super::{PointGroup, PointProduct, ProductBuffers};
use crate::tiled::{Accumulators, Ahead, Channels, RowAxis, Segment, Streams, WindowAxis};
use cnnc_ir::kernel::{Axis, KernelBuilder, Val};

/// The sums at the points of a group.
pub struct Sum<'a> {
    product: &'a PointProduct,
    vectors: usize,
    columns: RowAxis,
    segment: Segment,
    chains: Vec<Chain>,
}

/// Terms that are summed in one chain of multiply-adds. Its weights are used by all tiles before those of the next one
/// are, so that they stay in the first-level cache.
struct Chain {
    /// Channels that lie together.
    runs: Vec<Run>,
    /// How often, each time by as many blocks further.
    times: usize,
    lanes: usize,
}

/// Neighbouring channels.
#[derive(Clone, Copy)]
struct Run {
    /// Their first block in the input, and in the weights.
    first: (usize, usize),
    count: usize,
}

impl Chain {
    fn blocks(&self) -> usize {
        self.runs.iter().map(|run| run.count.div_ceil(self.lanes)).sum()
    }
}

/// The chains of about so many blocks each of runs of channels, for blocks of so many lanes.
fn chains(runs: &[Run], span: usize, lanes: usize) -> Vec<Chain> {
    let most = span + span / 2;
    let mut chains: Vec<Chain> = vec![];
    for &run in runs {
        let blocks = run.count.div_ceil(lanes);
        if blocks > most {
            let (times, count) = (blocks / span, span * lanes);
            chains.push(Chain { runs: vec![Run { count, ..run }], times, lanes });
            let first = (run.first.0 + times * span, run.first.1 + times * span);
            let rest = Run { first, count: run.count.saturating_sub(times * count) };
            chains.extend((rest.count > 0).then(|| Chain { runs: vec![rest], times: 1, lanes }));
            continue;
        }
        match chains.last_mut() {
            Some(last) if last.times == 1 && last.blocks() + blocks <= most => last.runs.push(run),
            _ => chains.push(Chain { runs: vec![run], times: 1, lanes }),
        }
    }
    chains
}

impl<'a> Sum<'a> {
    /// The sums of `vectors` of a bundle.
    pub fn new(product: &'a PointProduct, group: &PointGroup, vectors: usize) -> Sum<'a> {
        let (lanes, count, blocks) = (product.lanes, product.channels, product.channel_blocks());
        let columns = RowAxis { axis: WindowAxis::plain(product.mr), x_stride: lanes as i64, w_stride: 0 };
        let segment = columns.axis.segments(product.mr).swap_remove(0);
        let first = |phase: usize| (phase * product.input_blocks, phase * blocks);
        // Blocks of channels that are full lie together over phases, unless those of other groups lie between.
        let together = count.is_multiple_of(lanes) && product.input_blocks == blocks;
        let runs = group.phases.iter().flat_map(|phases| match together {
            true => vec![Run { first: first(phases.start), count: phases.len() * count }],
            false => phases.clone().map(|phase| Run { first: first(phase), count }).collect(),
        });
        let chains = chains(&runs.collect::<Vec<_>>(), product.span() / lanes, lanes);
        Sum { product, vectors, columns, segment, chains }
    }

    /// The sums of so many register tiles, `x`, `w` and `out` being the elements of the point's first input, weight and
    /// product.
    pub fn emit(&self, b: &mut KernelBuilder, buffers: &ProductBuffers, tiles: Val, (x, w, out): (Val, Val, Val)) {
        let product = self.product;
        let (mr, lanes, row) = (product.mr as i64, product.lanes as i64, (product.nv * product.lanes) as i64);
        let mut is_first = true;
        for chain in &self.chains {
            let step = chain.blocks() as i64 * lanes;
            let each = |b: &mut KernelBuilder, k: Val, is_first: bool| {
                let x = b.address(0, &[(x, 1), (k, step * product.tiles as i64)]);
                let w = b.address(0, &[(w, 1), (k, step * row)]);
                let tile = |b: &mut KernelBuilder, tile: Val| {
                    let x = b.address(0, &[(x, 1), (tile, mr * lanes)]);
                    let out = b.address(0, &[(out, 1), (tile, mr * row)]);
                    self.tile(b, buffers, chain, is_first, tile, (x, w, out));
                };
                let zero = b.index(0);
                match b.known_index(tiles) {
                    Some(tiles) => b.serial(0, tiles, tile),
                    None => b.for_axis(Axis::Serial, zero, tiles, 1, tile),
                }
            };
            if is_first {
                let zero = b.index(0);
                each(b, zero, true);
            }
            b.serial(i64::from(is_first), chain.times as i64, |b, k| each(b, k, false));
            is_first = false;
        }
    }

    /// A chain of a register tile, the first or added to those before.
    fn tile(
        &self,
        b: &mut KernelBuilder,
        buffers: &ProductBuffers,
        chain: &Chain,
        is_first: bool,
        tile: Val,
        (x, w, out): (Val, Val, Val),
    ) {
        let product = self.product;
        let acc = Accumulators::declare(b, product.mr, self.vectors, product.lanes as u16);
        let row = product.nv * product.lanes;
        let (x_block, w_block) = ((product.tiles * product.lanes) as i64, (product.lanes * row) as i64);
        let uses = (b.scale(tile, product.mr as i64), product.tiles);
        acc.clear(b);
        for &Run { first, count } in &chain.runs {
            let channels =
                Channels { count, block: product.lanes, x_block, x_channel: 1, w_block, w_channel: row as i64 };
            let x = b.offset(x, first.0 as i64 * x_block);
            let w = b.offset(w, first.1 as i64 * w_block);
            let blocks = channels.blocks();
            let streams = Streams {
                x: buffers.input,
                w: buffers.weights,
                rows: &[],
                columns: &self.columns,
                segment: &self.segment,
                scattered: None,
                channels: &channels,
                w_vector: product.lanes as i64,
                w_counts: vec![None; self.vectors],
                // What follows a run is what is used next, but for the last ones of some points.
                ahead: Ahead::new(b, (w, blocks * w_block as usize), uses, product.mr),
            };
            let bounds = (b.index(0), b.index(blocks as i64));
            streams.accumulate(b, &acc, bounds, x, w);
        }
        if !is_first {
            acc.add(b, buffers.out, out, row);
        }
        acc.store(b, buffers.out, out, row);
    }
}
