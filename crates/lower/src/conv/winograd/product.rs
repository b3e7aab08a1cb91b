//! The products: at each point a matrix product of tiles x channels and channels x outputs, in register tiles.

use super::shape::Winograd;
use crate::tiled::{Accumulators, Channels, RowAxis, SPAN, Streams, WindowAxis};
use cnnc_ir::kernel::{Axis, Buf, KernelBuilder, Val};

/// Buffers of the products.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The convolution.
    pub winograd: &'a Winograd,
    /// Transformed input `[point][channel block][tile][lanes]`.
    pub input: Buf,
    /// Transformed weights `[bundle][point][channel][nv * lanes]`.
    pub weights: Buf,
    /// Products of a bundle, `[point][tile][nv * lanes]`.
    pub out: Buf,
}

impl Product<'_> {
    /// All points of a bundle whose last vectors may be missing (`vectors` are there), for the register tiles that
    /// hold `count` tiles. `input` is the element at which the block's transformed input begins.
    pub fn emit(&self, b: &mut KernelBuilder, input: Val, bundle: Val, vectors: usize, count: Val) {
        let winograd = self.winograd;
        let (lanes, mr) = (winograd.lanes as i64, winograd.blocking.mr as i64);
        let width = winograd.blocking.nv as i64 * lanes;
        let depth = winograd.channel_blocks() as i64 * lanes;
        let points = winograd.points() as i64;
        let columns = RowAxis { axis: WindowAxis::plain(mr as usize), x_stride: lanes, w_stride: 0 };
        let segment = &columns.axis.segments(mr as usize)[0];
        let channels = Channels {
            count: winograd.shape.channels,
            block: winograd.lanes,
            x_block: winograd.blocking.tiles as i64 * lanes,
            x_channel: 1,
            w_block: lanes * width,
            w_channel: width,
        };
        let streams = Streams {
            x: self.input,
            w: self.weights,
            rows: &[],
            columns: &columns,
            segment,
            channels: &channels,
            w_vector: lanes,
            w_counts: vec![None; vectors],
        };
        let rounded = b.offset(count, mr - 1);
        let (tiles, _) = b.div_rem(rounded, mr);
        b.serial(0, points, |b, point| {
            let x = b.address(0, &[(input, 1), (point, winograd.input_point_stride() as i64)]);
            let w = b.address(0, &[(bundle, points * depth * width), (point, depth * width)]);
            let out = b.scale(point, winograd.product_point_stride() as i64);
            let zero = b.index(0);
            let tile = |b: &mut KernelBuilder, tile: Val| {
                let x = b.address(0, &[(x, 1), (tile, mr * lanes)]);
                let out = b.address(0, &[(out, 1), (tile, mr * width)]);
                self.tile(b, &streams, vectors, x, w, out);
            };
            match b.known_index(tiles) {
                Some(tiles) => b.serial(0, tiles, tile),
                None => b.for_axis(Axis::Serial, zero, tiles, 1, tile),
            }
        });
    }

    /// One register tile, summed span by span.
    fn tile(&self, b: &mut KernelBuilder, streams: &Streams, vectors: usize, x: Val, w: Val, out: Val) {
        let winograd = self.winograd;
        let blocks = winograd.channel_blocks();
        let span = (SPAN / winograd.lanes).max(1);
        let acc = Accumulators::declare(b, winograd.blocking.mr, vectors, winograd.lanes as u16);
        let row = winograd.blocking.nv * winograd.lanes;
        let sum = |b: &mut KernelBuilder, begin: usize, end: usize| {
            acc.clear(b);
            let bounds = (b.index(begin as i64), b.index(end as i64));
            streams.accumulate(b, &acc, bounds, x, w);
        };
        if blocks <= span + span / 2 {
            sum(b, 0, blocks);
            return acc.store(b, self.out, out, row);
        }
        for begin in (0..blocks).step_by(span) {
            sum(b, begin, (begin + span).min(blocks));
            if begin > 0 {
                acc.add(b, self.out, out, row);
            }
            acc.store(b, self.out, out, row);
        }
    }
}
