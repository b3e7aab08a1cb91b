//! The kernel of direct convolution on the plain layout: copy the rows of a run into scratch, then sum.

mod copy;

use super::ConvShape;
use crate::operand::Position;
use crate::tail::Tail;
use crate::tiled::{Accumulators, SPAN};
use crate::{Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, row_major_strides};

/// A convolution on the plain layout, and how it is tiled.
#[derive(Clone, Debug)]
pub struct PlainConv {
    /// The shape.
    pub shape: ConvShape,
    /// Lanes of a vector.
    pub lanes: usize,
    /// Output channels of a register tile.
    pub mr: usize,
    /// Vectors of a register tile.
    pub nv: usize,
    /// Vectors of the run of a row that a work item computes for one group; a multiple of `nv`.
    pub run: usize,
}

impl PlainConv {
    /// Output channels from those of one group to those of the next, and from one of a group to its next.
    fn channel_strides(&self) -> (i64, i64) {
        if self.shape.interleaved { (1, self.shape.groups as i64) } else { (self.shape.group_outputs() as i64, 1) }
    }

    /// Tiles of output channels in a group.
    pub fn tiles(&self) -> usize {
        self.shape.group_outputs().div_ceil(self.mr)
    }

    fn last(&self) -> usize {
        self.shape.output.len() - 1
    }

    fn stride(&self) -> usize {
        self.shape.window.strides[self.last()]
    }

    /// Columns that each phase of the stride holds in scratch.
    fn width(&self) -> usize {
        let window = &self.shape.window;
        let reach = (window.kernel[self.last()] - 1) * window.dilations[self.last()];
        self.run * self.lanes + reach / self.stride()
    }

    /// Row taps: all but those of the last axis.
    fn row_taps(&self) -> usize {
        self.shape.window.kernel[..self.last()].iter().product()
    }

    /// Rows that a sum of a tile reads: those of all channels of a group.
    fn summed_rows(&self) -> usize {
        self.shape.group_channels() * self.row_taps()
    }

    /// Rows of the spans that a long sum is taken in.
    fn span(&self) -> Option<usize> {
        let span = (SPAN / self.shape.window.kernel[self.last()]).max(1);
        (self.summed_rows() > span + span / 2).then_some(span)
    }

    /// Elements of the copied rows of a group: `[channels][row taps][phases][width]`.
    pub fn scratch_elems(&self) -> usize {
        self.shape.group_channels() * self.row_taps() * self.stride() * self.width()
    }

    /// The whole lowering.
    pub fn lower(&self, name: &str, region: &Region) -> Lowering {
        let mut b = KernelBuilder::new(name);
        let x = b.buffer("x", DType::F32, region.inputs[0].count(), Role::Read);
        let w = b.buffer("w", DType::F32, region.inputs[1].count(), Role::Read);
        let tail = Tail::declare(&mut b, region);
        let out = b.buffer("out", DType::F32, region.outputs[0].count(), Role::Write);
        let in_place = tail.in_place(&mut b, out);
        let rows = b.buffer("rows", DType::F32, self.scratch_elems(), Role::Scratch);
        let totals = self.span().map(|span| {
            let elems = self.mr.min(self.shape.group_outputs()) * self.nv * self.lanes;
            (b.buffer("totals", DType::F32, elems, Role::Scratch), span)
        });
        let kernel = Emitter { conv: self, tail: &tail, x, w, out, rows, totals };
        let shape = &self.shape;
        let runs = shape.output[self.last()].div_ceil(self.run * self.lanes);
        // Groups before rows: those of a thread are the same whatever reads the result by channels.
        let mut items = vec![shape.images, shape.groups];
        items.extend(&shape.output[..self.last()]);
        items.push(runs);
        b.parallel(items.iter().product(), |b, index| {
            let at = b.unflatten(index, &items);
            let first = b.scale(at[at.len() - 1], (self.run * self.lanes) as i64);
            let outer = at[2..at.len() - 1].to_vec();
            kernel.copy(b, (at[0], at[1]), &outer, first);
            kernel.sum(b, (at[0], at[1]), &outer, first);
        });
        let mut lowering = LoweringBuilder::default();
        let mut operands = vec![Operand::Input(0), Operand::Input(1)];
        operands.extend(tail.operands());
        operands.push(Operand::Output(0));
        lowering.call(b.finish(), operands);
        in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
        lowering.finish()
    }
}

struct Emitter<'a> {
    conv: &'a PlainConv,
    tail: &'a Tail,
    x: Buf,
    w: Buf,
    out: Buf,
    rows: Buf,
    /// Sums of the spans before, of a tile, and the rows of a span.
    totals: Option<(Buf, usize)>,
}

impl Emitter<'_> {
    /// A run of a group's output channels.
    fn sum(&self, b: &mut KernelBuilder, (image, group): (Val, Val), outer: &[Val], first: Val) {
        let (conv, shape) = (self.conv, &self.conv.shape);
        let (tiles, outputs) = (conv.tiles(), shape.group_outputs());
        let (of_group, next) = conv.channel_strides();
        let vectors = b.index(conv.run as i64);
        let tile_loop = |b: &mut KernelBuilder, begin: usize, end: usize, mr: usize| {
            b.serial(begin as i64, end as i64, |b, tile| {
                let channel = b.address(0, &[(group, of_group), (tile, conv.mr as i64 * next)]);
                let size = (shape.group_channels() * shape.taps() * conv.mr) as i64;
                let w = b.address(0, &[(group, tiles as i64 * size), (tile, size)]);
                let zero = b.index(0);
                b.for_axis(Axis::Serial, zero, vectors, conv.nv as i64, |b, vector| {
                    let column = b.address(0, &[(vector, conv.lanes as i64), (first, 1)]);
                    let extent = b.index(shape.output[conv.last()] as i64);
                    let inside = b.compare(CmpOp::Lt, column, extent);
                    b.if_(inside, |b| {
                        let acc = self.accumulate(b, vector, w, mr);
                        let mut coords = vec![image, channel];
                        coords.extend(outer);
                        coords.push(column);
                        self.store(b, &acc, &coords);
                    });
                });
            });
        };
        let full = outputs / conv.mr;
        tile_loop(b, 0, full, conv.mr);
        if full < tiles {
            tile_loop(b, full, tiles, outputs % conv.mr);
        }
    }

    /// Sums a tile, span by span where the sum is long.
    fn accumulate(&self, b: &mut KernelBuilder, vector: Val, w: Val, mr: usize) -> Accumulators {
        let (conv, rows) = (self.conv, self.conv.summed_rows() as i64);
        let acc = Accumulators::declare(b, mr, conv.nv, conv.lanes as u16);
        let x = b.scale(vector, conv.lanes as i64);
        let (zero, all) = (b.index(0), b.index(rows));
        acc.clear(b);
        let Some((totals, span)) = self.totals else {
            self.add_rows(b, &acc, (zero, all), (x, w));
            return acc;
        };
        let position = conv.nv * conv.lanes;
        acc.store(b, totals, zero, position);
        b.for_axis(Axis::Serial, zero, all, span as i64, |b, begin| {
            let end = b.offset(begin, span as i64);
            let end = b.binary(BinOp::Min, end, all);
            acc.clear(b);
            self.add_rows(b, &acc, (begin, end), (x, w));
            acc.add(b, totals, zero, position);
            acc.store(b, totals, zero, position);
        });
        acc
    }

    /// Adds the products of some rows of a tile's inputs, which begin at `x`, and weights, which begin at `w`.
    fn add_rows(&self, b: &mut KernelBuilder, acc: &Accumulators, (begin, end): (Val, Val), (x, w): (Val, Val)) {
        let (conv, lanes) = (self.conv, self.conv.lanes as u16);
        let (width, stride) = (conv.width(), conv.stride());
        let taps = conv.shape.window.kernel[conv.last()];
        b.for_axis(Axis::Serial, begin, end, 1, |b, r| {
            let x = b.address(0, &[(r, (stride * width) as i64), (x, 1)]);
            let w = b.address(0, &[(r, (taps * conv.mr) as i64), (w, 1)]);
            for tap in 0..taps {
                let column = tap * conv.shape.window.dilations[conv.last()];
                let from = (column % stride * width + column / stride) as i64;
                let vectors: Vec<Val> = (0..conv.nv)
                    .map(|j| {
                        let at = b.offset(x, from + (j * conv.lanes) as i64);
                        b.load(self.rows, at, lanes)
                    })
                    .collect();
                for i in 0..acc.positions() {
                    let at = b.offset(w, (tap * conv.mr + i) as i64);
                    let weight = b.load_splat(self.w, at, lanes);
                    vectors.iter().enumerate().for_each(|(j, &vector)| acc.mul_add(b, (i, j), weight, vector));
                }
            }
        });
    }

    /// Stores the vectors of a tile whose first is at `coords`, as far as the row goes.
    fn store(&self, b: &mut KernelBuilder, acc: &Accumulators, coords: &[Val]) {
        let (conv, shape) = (self.conv, &self.conv.shape);
        let lanes = conv.lanes as i64;
        let mut dims = vec![shape.images, shape.outputs];
        dims.extend(&shape.output);
        let strides = row_major_strides(&dims);
        let (_, next) = conv.channel_strides();
        let extent = dims[dims.len() - 1] as i64;
        let even = extent % lanes == 0 && extent % (lanes * conv.nv as i64) == 0;
        for j in 0..conv.nv {
            let mut coords = coords.to_vec();
            let last = coords.len() - 1;
            coords[last] = b.offset(coords[last], j as i64 * lanes);
            let end = b.index(extent);
            let left = b.sub(end, coords[last]);
            let all = b.index(lanes);
            let count = (!even).then(|| b.binary(BinOp::Min, left, all));
            let emit = |b: &mut KernelBuilder| {
                for i in 0..acc.positions() {
                    let mut coords = coords.clone();
                    coords[1] = b.offset(coords[1], i as i64 * next);
                    let terms: Vec<(Val, i64)> = coords.iter().zip(&strides).map(|(&c, &s)| (c, s as i64)).collect();
                    let flat = b.address(0, &terms);
                    let at = Position { coords: &coords, flat, lanes: lanes as u16, count };
                    let element = acc.get(b, i, j);
                    let value = self.tail.apply(b, element, &at);
                    match count {
                        Some(count) => b.store_count(self.out, flat, value, count),
                        None => b.store(self.out, flat, value),
                    }
                }
            };
            if j == 0 || even {
                emit(b);
            } else {
                let zero = b.index(0);
                let some = b.compare(CmpOp::Gt, left, zero);
                b.if_(some, emit);
            }
        }
    }
}
