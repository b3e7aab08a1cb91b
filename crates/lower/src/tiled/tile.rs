//! A register tile: its sum over channels, in chunks and spans, and where it reads.

use super::microkernel::{Accumulators, Streams};
use super::nest::{Nest, Place};
use super::{RowAxis, Scattered, Segment};
use cnnc_ir::kernel::{Axis, BinOp, KernelBuilder, Val};

impl Nest<'_> {
    /// Sums a tile and stores it.
    pub(super) fn tile(
        &self,
        b: &mut KernelBuilder,
        place: &Place,
        rows: &[(RowAxis, (Val, Val))],
        segment: &Segment,
        first: Val,
        x_row: Val,
    ) {
        let (sum, columns) = (self.sum, &self.sum.columns);
        let start = b.address(columns.axis.offset, &[(first, columns.axis.step)]);
        let (x, scattered) = match &sum.scattered {
            None => (b.address(0, &[(start, columns.x_stride), (x_row, 1)]), None),
            Some(axes) => (b.index(0), Some(self.scattered(b, axes, place, first, segment.outputs))),
        };
        let acc = Accumulators::declare(b, segment.outputs, place.bundle.counts.len(), sum.lanes as u16);
        let streams = Streams {
            x: self.buffers.x,
            w: self.buffers.w,
            rows,
            columns,
            segment,
            scattered,
            channels: &sum.channels,
            w_vector: sum.w_vector,
            w_counts: place.bundle.counts.iter().map(|&c| c.filter(|_| sum.w_masked)).collect(),
            ahead: self.ahead(b, place, first),
        };
        let row = place.bundle.counts.len() * sum.lanes;
        match (place.ends, self.buffers.partial) {
            (Some((is_first, is_last)), Some(partial)) => {
                let at = self.partial_index(b, place, first);
                self.accumulate(b, &streams, &acc, place.blocks, (x, place.w));
                b.if_else(is_first, |_| {}, |b| acc.add(b, partial, at, row));
                b.if_else(is_last, |b| self.store(b, place, segment, first, &acc), |b| acc.store(b, partial, at, row));
            }
            _ => {
                self.accumulate(b, &streams, &acc, place.blocks, (x, place.w));
                self.store(b, place, segment, first, &acc);
            }
        }
    }

    /// Where in the copy the inputs of a tile's positions stand.
    fn scattered(&self, b: &mut KernelBuilder, axes: &Scattered, place: &Place, first: Val, count: usize) -> Vec<Val> {
        let base = place.tiles.map(|(begin, _)| {
            let position = b.scale(begin, self.tiling.mr as i64);
            b.unflatten(position, &axes.extents)[0]
        });
        let each = |i: usize| {
            let position = b.offset(first, i as i64);
            let coords = b.unflatten(position, &axes.extents);
            let mut terms: Vec<(Val, i64)> = coords.into_iter().zip(axes.steps.iter().copied()).collect();
            terms.extend(base.map(|base| (base, -axes.steps[0])));
            b.address(0, &terms)
        };
        (0..count).map(each).collect()
    }

    /// Sums a tile over channel blocks. Long sums are taken span by span and the spans added up, so that the rounding
    /// error grows with the root of a span's length and not of the whole (Higham, "The accuracy of floating point
    /// summation", 1993, on blocked summation).
    fn accumulate(
        &self,
        b: &mut KernelBuilder,
        streams: &Streams,
        acc: &Accumulators,
        blocks: (Val, Val),
        (x, w): (Val, Val),
    ) {
        let Some((totals, span)) = self.buffers.totals else {
            acc.clear(b);
            return streams.accumulate(b, acc, blocks, x, w);
        };
        let zero = b.index(0);
        let row = streams.w_counts.len() * self.sum.lanes;
        acc.clear(b);
        acc.store(b, totals, zero, row);
        b.for_axis(Axis::Serial, blocks.0, blocks.1, span as i64, |b, begin| {
            let end = b.offset(begin, span as i64);
            let end = b.binary(BinOp::Min, end, blocks.1);
            acc.clear(b);
            streams.accumulate(b, acc, (begin, end), x, w);
            acc.add(b, totals, zero, row);
            acc.store(b, totals, zero, row);
        });
    }

    fn partial_index(&self, b: &mut KernelBuilder, place: &Place, first: Val) -> Val {
        let vector = (self.tiling.nv * self.sum.lanes) as i64;
        match place.tiles {
            Some((begin, _)) => {
                let before = b.scale(begin, self.tiling.mr as i64);
                let position = b.sub(first, before);
                b.scale(position, vector)
            }
            None => {
                let row = self.sum.columns.axis.outputs as i64 * vector;
                b.address(0, &[(place.row_in_item, row), (first, vector)])
            }
        }
    }
}
