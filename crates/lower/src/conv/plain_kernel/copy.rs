//! The rows that a run reads, copied to scratch: each phase of the stride by itself, zeros where there is no input.

use super::Emitter;
use crate::scalar_sum::serial;
use cnnc_ir::kernel::{Axis, BinOp, CmpOp, KernelBuilder, Val};
use cnnc_tensor::row_major_strides;

impl Emitter<'_> {
    /// Copies the input rows of a group that a run reads: zeros where there is no input.
    pub(super) fn copy(&self, b: &mut KernelBuilder, (image, group): (Val, Val), outer: &[Val], first: Val) {
        let (conv, shape) = (self.conv, &self.conv.shape);
        let pixels = shape.input_pixels() as i64;
        let size = (conv.row_taps() * conv.stride() * conv.width()) as i64;
        let channels = shape.group_channels() as i64;
        b.serial(0, channels, |b, channel| {
            let x = [(image, shape.channels as i64 * pixels), (group, channels * pixels), (channel, pixels)];
            let x = b.address(0, &x);
            let to = b.scale(channel, size);
            self.copy_rows(b, outer, 0, (x, to, None), first);
        });
    }

    /// Row taps of an axis; `at` is the input element and the scratch element so far, and whether the row exists.
    fn copy_rows(&self, b: &mut KernelBuilder, outer: &[Val], axis: usize, at: (Val, Val, Option<Val>), first: Val) {
        let (shape, window) = (&self.conv.shape, &self.conv.shape.window);
        if axis == outer.len() {
            return self.copy_row(b, at, first);
        }
        let x_stride = row_major_strides(&shape.input)[axis] as i64;
        let inner: usize = window.kernel[axis + 1..self.conv.last()].iter().product();
        let to_stride = (inner * self.conv.stride() * self.conv.width()) as i64;
        b.serial(0, window.kernel[axis] as i64, |b, tap| {
            let (stride, dilation) = (window.strides[axis] as i64, window.dilations[axis] as i64);
            let input = b.address(-(window.pads_begin[axis] as i64), &[(outer[axis], stride), (tap, dilation)]);
            let exists = b.within(input, shape.input[axis] as i64, at.2);
            let x = b.address(0, &[(input, x_stride), (at.0, 1)]);
            let to = b.address(0, &[(tap, to_stride), (at.1, 1)]);
            self.copy_rows(b, outer, axis + 1, (x, to, Some(exists)), first);
        });
    }

    /// One row, each phase of the stride by itself: column j of a phase is input `(first + j) * stride + phase - pad`.
    fn copy_row(&self, b: &mut KernelBuilder, (x, to, exists): (Val, Val, Option<Val>), first: Val) {
        let (conv, shape) = (self.conv, &self.conv.shape);
        let (stride, width) = (conv.stride() as i64, conv.width() as i64);
        let extent = shape.input[conv.last()] as i64;
        for phase in 0..stride {
            let to = b.offset(to, phase * width);
            let start = b.address(phase - shape.window.pads_begin[conv.last()] as i64, &[(first, stride)]);
            let (zero, all) = (b.index(0), b.index(width));
            // Columns whose input exists: begin = ceil(-start / stride), end = ceil((extent - start) / stride).
            let mut clamp = |from: i64| {
                let from = b.index(from + stride - 1);
                let left = b.sub(from, start);
                let left = b.binary(BinOp::Max, left, zero);
                let (columns, _) = b.div_rem(left, stride);
                b.binary(BinOp::Min, columns, all)
            };
            let (begin, mut end) = (clamp(0), clamp(extent));
            if let Some(exists) = exists {
                end = b.select(exists, end, begin);
            }
            self.fill(b, to, (zero, begin));
            let x = b.add(x, start);
            if stride == 1 {
                self.vectors(b, (begin, end), |b, j, count| {
                    let from = b.add(x, j);
                    let value = match count {
                        Some(count) => b.load_count(self.x, from, conv.lanes as u16, count),
                        None => b.load(self.x, from, conv.lanes as u16),
                    };
                    let at = b.add(to, j);
                    self.store_row(b, at, value, count);
                });
            } else {
                serial(b, (begin, end), |b, j| {
                    let from = b.address(0, &[(j, stride), (x, 1)]);
                    let value = b.load(self.x, from, 1);
                    let at = b.add(to, j);
                    b.store(self.rows, at, value);
                });
            }
            self.fill(b, to, (end, all));
        }
    }

    fn fill(&self, b: &mut KernelBuilder, to: Val, bounds: (Val, Val)) {
        let zeros = b.f32(0.0, self.conv.lanes as u16);
        self.vectors(b, bounds, |b, j, count| {
            let at = b.add(to, j);
            self.store_row(b, at, zeros, count);
        });
    }

    fn store_row(&self, b: &mut KernelBuilder, at: Val, value: Val, count: Option<Val>) {
        match count {
            Some(count) => b.store_count(self.rows, at, value, count),
            None => b.store(self.rows, at, value),
        }
    }

    /// Runs over columns a vector at a time; the last one may be partial and has a count.
    fn vectors(
        &self,
        b: &mut KernelBuilder,
        (begin, end): (Val, Val),
        body: impl Fn(&mut KernelBuilder, Val, Option<Val>),
    ) {
        let lanes = self.conv.lanes as i64;
        let zero = b.index(0);
        let extent = b.sub(end, begin);
        let extent = b.binary(BinOp::Max, extent, zero);
        let (_, rest) = b.div_rem(extent, lanes);
        let full = b.sub(extent, rest);
        let full = b.add(begin, full);
        b.for_axis(Axis::Serial, begin, full, lanes, |b, j| body(b, j, None));
        let partial = b.compare(CmpOp::Gt, rest, zero);
        b.if_(partial, |b| body(b, full, Some(rest)));
    }
}
