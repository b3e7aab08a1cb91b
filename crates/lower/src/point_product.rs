//! Matrix products at a number of points, in register tiles: the middle of every bilinear algorithm (Winograd, Strassen),
//! between a transform of the input and one to the result.
//!
//! At each point tiles x channels are multiplied with channels x outputs. The transformed input of a block of tiles lies
//! as `[point][channel block][tile][lanes]`, the weights as `[bundle][point][channel][nv * lanes]`, and the products of a
//! bundle of outputs as `[point][tile][nv * lanes]`.

use crate::tiled::{Accumulators, Ahead, Channels, RowAxis, SPAN, Streams, WindowAxis, multiply_adds_per_cycle};
use cnnc_ir::kernel::{Axis, Buf, KernelBuilder, Val};
use cnnc_tensor::{Target, Term};

/// Extents of the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointProduct {
    /// Points.
    pub points: usize,
    /// Channels that are summed.
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

    /// Elements from one point of a block's transformed input to the next: `[channel block][tile][lanes]`, and a little
    /// more, so that the points of a tile lie in different sets of the first-level cache.
    pub fn input_stride(&self) -> usize {
        spread(self.channel_blocks() * self.tiles * self.lanes)
    }

    /// Elements of a block's transformed input.
    pub fn input_elems(&self) -> usize {
        self.points * self.input_stride()
    }

    /// Register tiles of so many tiles at a point.
    pub fn register_tiles(&self, tiles: usize) -> usize {
        tiles / self.tiles * (self.tiles / self.mr) + (tiles % self.tiles).div_ceil(self.mr)
    }

    /// Estimated cycles of a register tile: its multiply-adds, or the loads that feed them. A point's weights of a bundle are
    /// read for every one, from the cache that holds them.
    pub fn tile_cycles(&self, target: &Target) -> f64 {
        let term = |term: Term| target.calibration.get(term);
        let (mr, nv, depth, vector) = (self.mr as f64, self.nv as f64, self.channels as f64, self.lanes as f64 * 4.0);
        let loads = if target.lanes >= 16 { nv + mr / 3.0 } else { (nv + mr) / term(Term::TiledLoads) };
        let ceilings = &target.ceilings;
        let held = depth * nv * vector < term(Term::HeldByL1) * target.l1 as f64;
        let streamed = nv * vector / ceilings.bytes_per_cycle(if held { ceilings.l1 } else { ceilings.l2 });
        let slowest = (mr * nv / multiply_adds_per_cycle(target)).max(loads).max(4.0).max(streamed);
        let step = slowest + term(Term::PointLoadsBeside) * loads + term(Term::PointWeightsBeside) * streamed;
        step * depth * 1.03 + mr * nv * term(Term::PointEndOfVector) + term(Term::PointEnd)
    }

    /// Elements from one point of a bundle's products to the next: `[tile][nv * lanes]`, and a little more.
    pub fn product_stride(&self) -> usize {
        spread(self.tiles * self.nv * self.lanes)
    }

    /// Elements of a bundle's products.
    pub fn product_elems(&self) -> usize {
        self.points * self.product_stride()
    }

    /// All points of a bundle whose last vectors may be missing (`vectors` are there), for the register tiles that
    /// hold `count` tiles. `input` is the element at which the block's transformed input begins.
    pub fn emit(
        &self,
        b: &mut KernelBuilder,
        buffers: &ProductBuffers,
        input: Val,
        bundle: Val,
        vectors: usize,
        count: Val,
    ) {
        let (lanes, mr) = (self.lanes as i64, self.mr as i64);
        let width = self.nv as i64 * lanes;
        let depth = self.channel_blocks() as i64 * lanes;
        let points = self.points as i64;
        let columns = RowAxis { axis: WindowAxis::plain(mr as usize), x_stride: lanes, w_stride: 0 };
        let segment = &columns.axis.segments(mr as usize)[0];
        let channels = Channels {
            count: self.channels,
            block: self.lanes,
            x_block: self.tiles as i64 * lanes,
            x_channel: 1,
            w_block: lanes * width,
            w_channel: width,
        };
        let streams = Streams {
            x: buffers.input,
            w: buffers.weights,
            rows: &[],
            columns: &columns,
            segment,
            channels: &channels,
            w_vector: lanes,
            w_counts: vec![None; vectors],
            ahead: None,
        };
        let rounded = b.offset(count, mr - 1);
        let (tiles, _) = b.div_rem(rounded, mr);
        b.serial(0, points, |b, point| {
            let x = b.address(0, &[(input, 1), (point, self.input_stride() as i64)]);
            let w = b.address(0, &[(bundle, points * depth * width), (point, depth * width)]);
            let piece = (w, (depth * width) as usize);
            let out = b.scale(point, self.product_stride() as i64);
            let zero = b.index(0);
            let tile = |b: &mut KernelBuilder, tile: Val| {
                let x = b.address(0, &[(x, 1), (tile, mr * lanes)]);
                let out = b.address(0, &[(out, 1), (tile, mr * width)]);
                let uses = (b.scale(tile, mr), self.tiles);
                let ahead = Ahead::new(b, piece, uses, self.mr);
                let streams = Streams { ahead, ..streams.clone() };
                self.tile(b, &streams, buffers.out, vectors, (x, w, out));
            };
            match b.known_index(tiles) {
                Some(tiles) => b.serial(0, tiles, tile),
                None => b.for_axis(Axis::Serial, zero, tiles, 1, tile),
            }
        });
    }

    /// One register tile, summed span by span.
    fn tile(&self, b: &mut KernelBuilder, streams: &Streams, to: Buf, vectors: usize, (x, w, out): (Val, Val, Val)) {
        let blocks = self.channel_blocks();
        let span = (SPAN / self.lanes).max(1);
        let acc = Accumulators::declare(b, self.mr, vectors, self.lanes as u16);
        let row = self.nv * self.lanes;
        let sum = |b: &mut KernelBuilder, begin: usize, end: usize| {
            acc.clear(b);
            let bounds = (b.index(begin as i64), b.index(end as i64));
            streams.accumulate(b, &acc, bounds, x, w);
        };
        if blocks <= span + span / 2 {
            sum(b, 0, blocks);
            return acc.store(b, to, out, row);
        }
        for begin in (0..blocks).step_by(span) {
            sum(b, begin, (begin + span).min(blocks));
            if begin > 0 {
                acc.add(b, to, out, row);
            }
            acc.store(b, to, out, row);
        }
    }
}

/// The next number of elements that fills an odd number of cache lines.
fn spread(elems: usize) -> usize {
    const LINE: usize = 16;
    let lines = elems.div_ceil(LINE);
    (lines + usize::from(lines.is_multiple_of(2))) * LINE
}
