//! Convolutions whose groups lie inside a vector of channels: depthwise, and small groups.
//!
//! A tile is a run of pixels along the last axis and one block of output channels. Each input vector is loaded once for
//! all pixels and column taps that read it; where a group has several channels it is expanded by a shuffle per channel,
//! so that every lane meets the channel that it sums. Weights are packed `[block][row taps..][column taps][channel of
//! the group][lanes]`.

use super::ConvShape;
use crate::operand::{Position, elements};
use crate::scalar_sum::serial;
use crate::tail::Tail;
use crate::tiled::{RowAxis, Segment, WindowAxis};
use crate::{Lowering, LoweringBuilder, Operand, Packing, Region};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::kernel::{Buf, KernelBuilder, Role, Ty, Val, Var};
use cnnc_tensor::{DType, Target, row_major_strides};

/// A convolution of small groups, and how it is tiled.
#[derive(Clone, Debug)]
pub struct Lanewise {
    shape: ConvShape,
    lanes: usize,
    /// Pixels of a tile.
    pub pixels: usize,
    /// Flattened rows of a work item.
    pub rows: usize,
}

impl Lanewise {
    /// The convolution, if its groups fit: a block of output channels reads input channels of one block.
    pub fn new(shape: ConvShape, target: &Target, pixels: usize, rows: usize) -> Option<Lanewise> {
        let lanes = target.lanes;
        let (group_channels, group_outputs) = (shape.group_channels(), shape.group_outputs());
        let fits = shape.is_nonempty()
            && pixels > 0
            && rows > 0
            && group_outputs > 0
            && lanes.is_multiple_of(group_outputs)
            && lanes.is_multiple_of(lanes / group_outputs * group_channels);
        fits.then_some(Lanewise { shape, lanes, pixels, rows })
    }

    /// Input channels that a block of output channels reads.
    fn sources(&self) -> usize {
        self.lanes / self.shape.group_outputs() * self.shape.group_channels()
    }

    fn axes(&self) -> Vec<RowAxis> {
        let (shape, window) = (&self.shape, &self.shape.window);
        let x_strides = row_major_strides(&shape.input);
        let w_strides = row_major_strides(&window.kernel);
        let axis = |k: usize| RowAxis {
            axis: WindowAxis::convolution(
                shape.output[k],
                shape.input[k],
                window.kernel[k],
                window.strides[k],
                window.dilations[k],
                window.pads_begin[k],
            ),
            x_stride: (x_strides[k] * self.lanes) as i64,
            w_stride: (w_strides[k] * shape.group_channels() * self.lanes) as i64,
        };
        (0..shape.input.len()).map(axis).collect()
    }

    /// The packing of the weights `[O, C/groups, kernel..]`.
    pub fn packing(&self) -> Packing {
        let shape = &self.shape;
        let blocks = shape.outputs.div_ceil(self.lanes);
        let mut ops = vec![];
        let grow = blocks * self.lanes - shape.outputs;
        if grow > 0 {
            let mut end = vec![0; shape.window.kernel.len() + 2];
            end[0] = grow as isize;
            ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end });
        }
        ops.push(Op::Reshape { dims: vec![blocks, self.lanes, shape.group_channels(), shape.taps()] });
        ops.push(Op::Transpose { perm: vec![0, 3, 2, 1] });
        Packing { input: 1, ops }
    }

    /// Multiply-adds on vectors, padding skipped.
    pub fn vector_steps(&self) -> f64 {
        let taps: f64 =
            self.axes().iter().map(|a| a.axis.outputs as f64 * a.axis.taps as f64 * a.axis.valid_share()).product();
        (self.shape.images * self.shape.outputs.div_ceil(self.lanes) * self.shape.group_channels()) as f64 * taps
    }

    /// Tiles of the whole result.
    pub fn tiles(&self) -> f64 {
        let columns = self.shape.output[self.shape.output.len() - 1];
        let rows = self.shape.pixels() / columns;
        let per_row = columns.div_ceil(self.pixels);
        (self.shape.images * self.shape.outputs.div_ceil(self.lanes) * rows * per_row) as f64
    }

    /// Work items of the whole result.
    pub fn items(&self) -> f64 {
        let rows = self.shape.pixels() / self.shape.output[self.shape.output.len() - 1];
        (self.shape.images * self.shape.outputs.div_ceil(self.lanes) * rows.div_ceil(self.rows)) as f64
    }

    /// The whole lowering.
    pub fn lower(&self, name: &str, region: &Region) -> Lowering {
        let mut b = KernelBuilder::new(name);
        let x = b.buffer("x", DType::F32, elements(&region.inputs[0]), Role::Read);
        let w = b.buffer("w", DType::F32, elements(&region.inputs[1]), Role::Read);
        let tail = Tail::declare(&mut b, region);
        let out = b.buffer("out", DType::F32, elements(&region.outputs[0]), Role::Write);
        let in_place = tail.in_place(&mut b, out);
        LanewiseEmitter::new(self, &tail, (x, w, out)).emit(&mut b);
        let mut lowering = LoweringBuilder::default();
        let mut operands = vec![Operand::Input(0), Operand::Input(1)];
        operands.extend(tail.operands());
        operands.push(Operand::Output(0));
        lowering.call(b.finish(), operands);
        in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
        lowering.finish()
    }
}

/// Emits the loops of a convolution of small groups.
pub struct LanewiseEmitter<'a> {
    conv: &'a Lanewise,
    tail: &'a Tail,
    buffers: (Buf, Buf, Buf),
    rows: Vec<RowAxis>,
    columns: RowAxis,
    segments: Vec<Segment>,
}

impl<'a> LanewiseEmitter<'a> {
    /// For the buffers of input, packed weights and result.
    pub fn new(conv: &'a Lanewise, tail: &'a Tail, buffers: (Buf, Buf, Buf)) -> LanewiseEmitter<'a> {
        let mut rows = conv.axes();
        let columns = rows.pop().unwrap_or(RowAxis { axis: WindowAxis::plain(1), x_stride: 0, w_stride: 0 });
        let segments = columns.axis.segments(conv.pixels);
        LanewiseEmitter { conv, tail, buffers, rows, columns, segments }
    }

    fn emit(&self, b: &mut KernelBuilder) {
        let shape = &self.conv.shape;
        let extents: Vec<usize> = self.rows.iter().map(|r| r.axis.outputs).collect();
        let row_count: usize = extents.iter().product();
        let rows = self.conv.rows.min(row_count);
        let blocks = shape.outputs.div_ceil(self.conv.lanes);
        let items = [shape.images, blocks, row_count.div_ceil(rows)];
        b.parallel(items.iter().product(), |b, index| {
            let at = b.unflatten(index, &items);
            let first = b.scale(at[2], rows as i64);
            let mut count = b.index(rows as i64);
            if !row_count.is_multiple_of(rows) {
                let all = b.index(row_count as i64);
                let left = b.sub(all, first);
                count = b.binary(cnnc_ir::kernel::BinOp::Min, left, count);
            }
            let zero = b.index(0);
            serial(b, (zero, count), |b, k| {
                let row = b.add(first, k);
                let outputs = b.unflatten(row, &extents);
                let (size, columns) = (shape.pixels(), self.columns.axis.outputs);
                let terms = [(at[0], blocks * size), (at[1], size), (row, columns)];
                let out = b.address(0, &terms.map(|(v, elems)| (v, (elems * self.conv.lanes) as i64)));
                self.row(b, (at[0], at[1], &outputs), out);
            });
        });
    }

    /// A row of an image and block of output channels, the coordinates of its other axes given, whose result is to stand
    /// at element `out`.
    pub fn row(&self, b: &mut KernelBuilder, place: (Val, Val, &[Val]), out: Val) {
        let (image, block, outputs) = place;
        let (conv, shape) = (self.conv, &self.conv.shape);
        let lanes = conv.lanes as i64;
        let pixels = shape.input_pixels() as i64;
        // The block's first source channel lies in one input block.
        let channel = b.scale(block, conv.sources() as i64);
        let (source, inside) = b.div_rem(channel, lanes);
        let input_blocks = shape.channels.div_ceil(conv.lanes) as i64;
        let mut x_terms = vec![(image, input_blocks * pixels * lanes), (source, pixels * lanes), (inside, 1)];
        let mut taps = vec![];
        for (&output, axis) in outputs.iter().zip(&self.rows) {
            let start = b.address(axis.axis.offset, &[(output, axis.axis.step)]);
            taps.push(axis.axis.tap_range(b, start));
            x_terms.push((start, axis.x_stride));
        }
        let x = b.address(0, &x_terms);
        let w = b.scale(block, (shape.taps() * shape.group_channels()) as i64 * lanes);
        for segment in &self.segments {
            b.serial(0, segment.tiles as i64, |b, tile| {
                let first = b.address(segment.first as i64, &[(tile, segment.outputs as i64)]);
                let start = b.address(self.columns.axis.offset, &[(first, self.columns.axis.step)]);
                let x = b.address(0, &[(start, self.columns.x_stride), (x, 1)]);
                let ty = Ty::vector(DType::F32, conv.lanes as u16);
                let zero = b.f32(0.0, ty.lanes);
                let acc: Vec<Var> = (0..segment.outputs).map(|_| b.var(ty)).collect();
                acc.iter().for_each(|&var| b.set(var, zero));
                self.over_rows(b, &acc, segment, &taps, x, w);
                self.store(b, &acc, place, first, out);
            });
        }
    }

    fn over_rows(&self, b: &mut KernelBuilder, acc: &[Var], segment: &Segment, taps: &[(Val, Val)], x: Val, w: Val) {
        let axis = self.rows.len() - taps.len();
        let Some((bounds, rest)) = taps.split_first() else {
            return (0..self.conv.shape.group_channels()).for_each(|c| self.columns(b, acc, segment, c, x, w));
        };
        let row = &self.rows[axis];
        serial(b, *bounds, |b, tap| {
            let x = b.address(0, &[(tap, row.axis.tap_step * row.x_stride), (x, 1)]);
            let w = b.address(0, &[(tap, row.w_stride), (w, 1)]);
            self.over_rows(b, acc, segment, rest, x, w);
        });
    }

    /// All column taps of one channel of the groups: each input vector is loaded once.
    fn columns(&self, b: &mut KernelBuilder, acc: &[Var], segment: &Segment, channel: usize, x: Val, w: Val) {
        let lanes = self.conv.lanes as u16;
        let axis = &self.columns.axis;
        let weights: Vec<Val> = (0..axis.taps)
            .map(|tap| {
                let at = b.offset(w, tap as i64 * self.columns.w_stride + (channel * self.conv.lanes) as i64);
                b.load(self.buffers.1, at, lanes)
            })
            .collect();
        let mut reads: Vec<(i64, usize, usize)> = vec![];
        for (tap, valid) in segment.valid.iter().enumerate() {
            reads.extend(valid.clone().map(|i| (i as i64 * axis.step + tap as i64 * axis.tap_step, i, tap)));
        }
        reads.sort_unstable();
        let mut input = None;
        for (column, i, tap) in reads {
            let vector = match input {
                Some((at, vector)) if at == column => vector,
                _ => self.input(b, x, column, channel),
            };
            input = Some((column, vector));
            let sum = b.get(acc[i]);
            let sum = b.mul_add(vector, weights[tap], sum);
            b.set(acc[i], sum);
        }
    }

    /// The input vector of a column, each lane holding its group's channel.
    fn input(&self, b: &mut KernelBuilder, x: Val, column: i64, channel: usize) -> Val {
        let conv = self.conv;
        let at = b.offset(x, column * self.columns.x_stride);
        let vector = b.load(self.buffers.0, at, conv.sources() as u16);
        let (inputs, outputs) = (conv.shape.group_channels(), conv.shape.group_outputs());
        if (inputs, outputs) == (1, 1) {
            return vector;
        }
        let pick = (0..conv.lanes).map(|lane| (lane / outputs * inputs + channel) as u16).collect();
        b.shuffle(vector, vector, pick)
    }

    fn store(&self, b: &mut KernelBuilder, acc: &[Var], place: (Val, Val, &[Val]), first: Val, out: Val) {
        let lanes = self.conv.lanes;
        let channel = b.scale(place.1, lanes as i64);
        let mut fixed = None;
        for (i, &var) in acc.iter().enumerate() {
            let column = b.offset(first, i as i64);
            let mut coords = vec![place.0, channel];
            coords.extend(place.2);
            coords.push(column);
            let flat = b.address(0, &[(column, lanes as i64), (out, 1)]);
            let at = Position { coords: &coords, flat, lanes: lanes as u16, count: None };
            let fixed = fixed.get_or_insert_with(|| self.tail.load_fixed(b, &at, coords.len() - 1));
            let element = b.get(var);
            let value = self.tail.apply_with(b, element, &at, fixed);
            b.store(self.buffers.2, flat, value);
        }
    }
}
