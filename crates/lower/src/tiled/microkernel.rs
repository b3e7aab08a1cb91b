//! The innermost part: accumulators of one register tile, and the loops over channels and taps that feed them.

use super::ahead::{Ahead, ask_for_inputs};
use super::{Channels, RowAxis, Segment};
use cnnc_ir::kernel::{Axis, BinOp, Buf, KernelBuilder, Ty, Val, Var};
use cnnc_tensor::DType;

/// Multiply-adds of an innermost body: it is repeated for as many channels as stay within.
const BODY: usize = 96;

/// Lanes of the widest vectors, and registers of them.
const WIDE: (usize, usize) = (16, 32);

/// How many of `count` channels a body of `positions` x `vectors` multiply-adds is repeated for.
///
/// Only one where a tile leaves a register for its broadcasts but none for the weights of another channel: LLVM's
/// scheduler moves their loads up, and half of the tile goes to the stack and back (9x3 of 32 registers took up to three
/// times as long).
pub(super) fn unrolled((positions, vectors): (usize, usize), lanes: usize, count: usize) -> usize {
    let tile = positions * vectors;
    let full = lanes == WIDE.0 && tile + vectors < WIDE.1 && tile + 2 * vectors > WIDE.1;
    let fits = |u: &usize| tile * u <= BODY && count.is_multiple_of(*u) && !full;
    [16, 8, 4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Accumulators of a register tile: `[position][vector]`.
#[derive(Debug)]
pub struct Accumulators {
    vars: Vec<Vec<Var>>,
    lanes: u16,
}

impl Accumulators {
    /// Declares variables for `positions` x `vectors`.
    pub fn declare(b: &mut KernelBuilder, positions: usize, vectors: usize, lanes: u16) -> Accumulators {
        let ty = Ty::vector(DType::F32, lanes);
        let vars = (0..positions).map(|_| (0..vectors).map(|_| b.var(ty)).collect()).collect();
        Accumulators { vars, lanes }
    }

    /// Sets all to zero.
    pub fn clear(&self, b: &mut KernelBuilder) {
        let zero = b.f32(0.0, self.lanes);
        self.vars.iter().flatten().for_each(|&var| b.set(var, zero));
    }

    /// How many positions there are.
    pub fn positions(&self) -> usize {
        self.vars.len()
    }

    /// Adds a product at a (position, vector).
    pub fn mul_add(&self, b: &mut KernelBuilder, (position, vector): (usize, usize), x: Val, w: Val) {
        let var = self.vars[position][vector];
        let sum = b.get(var);
        let sum = b.mul_add(x, w, sum);
        b.set(var, sum);
    }

    /// Adds vectors of a buffer; those of a position follow each other, and positions are `row` elements apart.
    pub fn add(&self, b: &mut KernelBuilder, buffer: Buf, at: Val, row: usize) {
        for (offset, var) in self.places(row) {
            let index = b.offset(at, offset);
            let before = b.load(buffer, index, self.lanes);
            let value = b.get(var);
            let sum = b.add(before, value);
            b.set(var, sum);
        }
    }

    /// Stores all to a buffer, placed as for [`add`](Accumulators::add).
    pub fn store(&self, b: &mut KernelBuilder, buffer: Buf, at: Val, row: usize) {
        for (offset, var) in self.places(row) {
            let index = b.offset(at, offset);
            let value = b.get(var);
            b.store(buffer, index, value);
        }
    }

    fn places(&self, row: usize) -> impl Iterator<Item = (i64, Var)> {
        let lanes = usize::from(self.lanes);
        let line = move |(i, vars): (usize, &Vec<Var>)| {
            let places = vars.iter().enumerate().map(|(j, &var)| ((i * row + j * lanes) as i64, var));
            places.collect::<Vec<_>>()
        };
        self.vars.iter().enumerate().flat_map(line)
    }

    /// The sum at a position.
    pub fn get(&self, b: &mut KernelBuilder, position: usize, vector: usize) -> Val {
        b.get(self.vars[position][vector])
    }
}

/// What the loops of a tile read.
#[derive(Clone, Debug)]
pub struct Streams<'a> {
    /// Input and weights.
    pub x: Buf,
    /// Weights.
    pub w: Buf,
    /// Row axes with the taps (begin, end) that exist here.
    pub rows: &'a [(RowAxis, (Val, Val))],
    /// Column axis.
    pub columns: &'a RowAxis,
    /// Which code the tile needs.
    pub segment: &'a Segment,
    /// Where the inputs of each position stand, if not at equal distances.
    pub scattered: Option<Vec<Val>>,
    /// Channels.
    pub channels: &'a Channels,
    /// Weight elements from one vector to the next.
    pub w_vector: i64,
    /// Valid lanes of each vector of weights where they are masked.
    pub w_counts: Vec<Option<i64>>,
    /// What is asked for meanwhile.
    pub ahead: Option<Ahead>,
}

impl Streams<'_> {
    /// Adds the products of channel blocks `blocks.0..blocks.1` to the accumulators. `x` is the input element of channel
    /// 0, tap 0 and position 0; `w` the weight element of channel 0 and tap 0.
    pub fn accumulate(&self, b: &mut KernelBuilder, acc: &Accumulators, blocks: (Val, Val), x: Val, w: Val) {
        let channels = self.channels;
        let step = |b: &mut KernelBuilder, block: Val| {
            let x = b.address(0, &[(block, channels.x_block), (x, 1)]);
            let w = b.address(0, &[(block, channels.w_block), (w, 1)]);
            let count = if channels.count.is_multiple_of(channels.block) {
                b.index(channels.block as i64)
            } else {
                let done = b.scale(block, channels.block as i64);
                let all = b.index(channels.count as i64);
                let left = b.sub(all, done);
                let full = b.index(channels.block as i64);
                b.binary(BinOp::Min, left, full)
            };
            ask_for_inputs(self, b, x);
            self.over_rows(b, acc, 0, count, x, w);
        };
        loop_over(b, blocks, step);
    }

    fn over_rows(&self, b: &mut KernelBuilder, acc: &Accumulators, axis: usize, count: Val, x: Val, w: Val) {
        let Some((row, taps)) = self.rows.get(axis) else {
            return self.over_columns(b, acc, count, x, w);
        };
        let x_tap = row.axis.tap_step * row.x_stride;
        loop_over(b, *taps, |b, tap| {
            let x = b.address(0, &[(tap, x_tap), (x, 1)]);
            let w = b.address(0, &[(tap, row.w_stride), (w, 1)]);
            self.over_rows(b, acc, axis + 1, count, x, w);
        });
    }

    /// Taps of equal valid positions that follow each other share a loop.
    fn over_columns(&self, b: &mut KernelBuilder, acc: &Accumulators, count: Val, x: Val, w: Val) {
        let x_tap = self.columns.axis.tap_step * self.columns.x_stride;
        let valid = &self.segment.valid;
        let mut tap = 0;
        while tap < valid.len() {
            let same = valid[tap..].iter().take_while(|v| **v == valid[tap]).count();
            if !valid[tap].is_empty() {
                b.serial(tap as i64, (tap + same) as i64, |b, t| {
                    let x = b.address(0, &[(t, x_tap), (x, 1)]);
                    let w = b.address(0, &[(t, self.columns.w_stride), (w, 1)]);
                    self.over_channels(b, acc, valid[tap].clone(), count, x, w);
                });
            }
            tap += same;
        }
    }

    fn over_channels(
        &self,
        b: &mut KernelBuilder,
        acc: &Accumulators,
        valid: std::ops::Range<usize>,
        count: Val,
        x: Val,
        w: Val,
    ) {
        let zero = b.index(0);
        let body = (valid.len(), self.w_counts.len());
        let unroll = match b.known_index(count) {
            Some(n) => unrolled(body, usize::from(acc.lanes), n as usize) as i64,
            None => 1,
        };
        let each = |b: &mut KernelBuilder, channel: Val| {
            if let Some(ahead) = self.ahead {
                let w = b.address(0, &[(channel, self.channels.w_channel), (w, 1)]);
                ahead.emit(b, self.w, w, (unroll * self.channels.w_channel) as usize);
            }
            for k in 0..unroll {
                let channel = b.offset(channel, k);
                let x = b.address(0, &[(channel, self.channels.x_channel), (x, 1)]);
                let w = b.address(0, &[(channel, self.channels.w_channel), (w, 1)]);
                self.multiply_add(b, acc, valid.clone(), x, w);
            }
        };
        match b.known_index(count) {
            Some(n) if n == unroll => each(b, zero),
            _ => b.for_axis(Axis::Serial, zero, count, unroll, each),
        }
    }

    fn multiply_add(&self, b: &mut KernelBuilder, acc: &Accumulators, valid: std::ops::Range<usize>, x: Val, w: Val) {
        let mut weights = Vec::with_capacity(self.w_counts.len());
        for (j, count) in self.w_counts.iter().enumerate() {
            let index = b.offset(w, j as i64 * self.w_vector);
            let vector = match count {
                Some(count) => {
                    let count = b.index(*count);
                    b.load_count(self.w, index, acc.lanes, count)
                }
                None => b.load(self.w, index, acc.lanes),
            };
            weights.push(vector);
        }
        let position_stride = self.columns.axis.step * self.columns.x_stride;
        for i in valid {
            let index = match &self.scattered {
                None => b.offset(x, i as i64 * position_stride),
                Some(places) => b.add(x, places[i]),
            };
            let input = b.load_splat(self.x, index, acc.lanes);
            for (j, &weight) in weights.iter().enumerate() {
                acc.mul_add(b, (i, j), input, weight);
            }
        }
    }
}

/// A serial loop; of a known single iteration only its body, of none nothing.
fn loop_over(b: &mut KernelBuilder, bounds: (Val, Val), body: impl FnOnce(&mut KernelBuilder, Val)) {
    match (b.known_index(bounds.0), b.known_index(bounds.1)) {
        (Some(begin), Some(end)) if end <= begin => {}
        (Some(begin), Some(end)) => b.serial(begin, end, body),
        _ => b.for_axis(Axis::Serial, bounds.0, bounds.1, 1, body),
    }
}

#[cfg(test)]
mod tests {
    use super::unrolled;

    #[test]
    fn tiles_without_room_for_more_weights_take_one_channel_at_a_time() {
        let of_wide = [((9, 3), 1), ((7, 3), 4), ((14, 2), 2), ((6, 4), 4), ((7, 4), 2), ((5, 4), 4), ((28, 1), 2)];
        for (tile, times) in of_wide {
            assert_eq!(unrolled(tile, 16, 16), times, "{tile:?}");
        }
        assert_eq!(unrolled((4, 3), 8, 16), 8, "narrower vectors are left as they are");
        assert_eq!(unrolled((6, 4), 16, 3), 1, "three channels");
    }
}
