//! One spatial axis of a windowed sum, and how its outputs are cut into tiles.
//!
//! Output `j` sums taps `t`, reading input `j * step + offset + t * tap_step` where that lies inside. A convolution is
//! this with positive `tap_step`; one phase of a transposed convolution is this with a negative one; a plain axis (rows
//! of a matrix, pixels of a 1x1 convolution) has one tap. Since shapes are static, what padding cuts off is known for
//! every tile.

use cnnc_ir::kernel::{BinOp, KernelBuilder, Val};
use std::ops::Range;

/// A windowed axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowAxis {
    /// Outputs computed.
    pub outputs: usize,
    /// Inputs that exist.
    pub inputs: usize,
    /// Inputs from one output to the next.
    pub step: i64,
    /// Input that tap 0 of output 0 reads; negative in padding.
    pub offset: i64,
    /// Taps.
    pub taps: usize,
    /// Inputs from one tap to the next; not 0.
    pub tap_step: i64,
    /// Place of output 0 in the result.
    pub result_first: usize,
    /// Places from one output to the next in the result.
    pub result_step: usize,
}

/// Neighbouring tiles of equal code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First output of the first tile.
    pub first: usize,
    /// Number of tiles.
    pub tiles: usize,
    /// Outputs of a tile.
    pub outputs: usize,
    /// For each tap the outputs of a tile whose input exists.
    pub valid: Vec<Range<usize>>,
}

impl WindowAxis {
    /// An axis of one tap: output j reads input j.
    pub fn plain(extent: usize) -> WindowAxis {
        WindowAxis::convolution(extent, extent, 1, 1, 1, 0)
    }

    /// An axis of a convolution.
    pub fn convolution(
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        pad: usize,
    ) -> WindowAxis {
        WindowAxis {
            outputs,
            inputs,
            step: stride as i64,
            offset: -(pad as i64),
            taps: kernel,
            tap_step: dilation as i64,
            result_first: 0,
            result_step: 1,
        }
    }

    fn input(&self, output: usize, tap: usize) -> i64 {
        output as i64 * self.step + self.offset + tap as i64 * self.tap_step
    }

    fn exists(&self, output: usize, tap: usize) -> bool {
        (0..self.inputs as i64).contains(&self.input(output, tap))
    }

    /// Whether some output lacks the input of some tap.
    pub fn clips(&self) -> bool {
        self.outputs > 0 && self.taps > 0 && {
            let corners = [(0, 0), (0, self.taps - 1), (self.outputs - 1, 0), (self.outputs - 1, self.taps - 1)];
            !corners.iter().all(|&(output, tap)| self.exists(output, tap))
        }
    }

    /// Share of the taps of all outputs whose input exists.
    pub fn valid_share(&self) -> f64 {
        let all = self.outputs * self.taps;
        if all == 0 {
            return 1.0;
        }
        let count: usize = (0..self.taps).map(|t| self.valid_outputs(t, 0, self.outputs).len()).sum();
        count as f64 / all as f64
    }

    /// Of `count` outputs from `first` on those (relative to `first`) whose input of a tap exists.
    fn valid_outputs(&self, tap: usize, first: usize, count: usize) -> Range<usize> {
        // 0 <= base + k * step < inputs
        let base = self.input(first, tap);
        let step = self.step.max(1);
        let begin = ceil_div((-base).max(0), step).min(count as i64);
        let end = ceil_div((self.inputs as i64 - base).max(0), step).min(count as i64);
        begin as usize..end.max(begin) as usize
    }

    /// The outputs cut into tiles of `size`, the last one smaller, and tiles of equal code put together.
    pub fn segments(&self, size: usize) -> Vec<Segment> {
        let mut segments: Vec<Segment> = vec![];
        if !self.clips() {
            let size = size.max(1);
            let rest = self.outputs % size;
            for (first, tiles, outputs) in [(0, self.outputs / size, size), (self.outputs - rest, 1, rest)] {
                if tiles * outputs > 0 {
                    segments.push(Segment { first, tiles, outputs, valid: vec![0..outputs; self.taps] });
                }
            }
            return segments;
        }
        for first in (0..self.outputs).step_by(size.max(1)) {
            let outputs = size.min(self.outputs - first);
            let valid: Vec<_> = (0..self.taps).map(|t| self.valid_outputs(t, first, outputs)).collect();
            match segments.last_mut() {
                Some(last) if last.outputs == outputs && last.valid == valid => last.tiles += 1,
                _ => segments.push(Segment { first, tiles: 1, outputs, valid }),
            }
        }
        segments
    }

    /// The taps (begin, end) whose input exists for a run-time output whose tap 0 reads input `start`.
    pub fn tap_range(&self, b: &mut KernelBuilder, start: Val) -> (Val, Val) {
        let (zero, taps) = (b.index(0), b.index(self.taps as i64));
        if !self.clips() {
            return (zero, taps);
        }
        let size = self.tap_step.abs();
        let inputs = b.index(self.inputs as i64);
        let rest = b.sub(inputs, start);
        let (begin, end) = if self.tap_step > 0 {
            // ceil(-start / size), ceil((inputs - start) / size)
            let before = b.sub(zero, start);
            (b.offset(before, size - 1), b.offset(rest, size - 1))
        } else {
            // floor((start - inputs) / size) + 1, floor(start / size) + 1
            let beyond = b.sub(start, inputs);
            (b.offset(beyond, size), b.offset(start, size))
        };
        let mut clamp = |value: Val| {
            let value = b.binary(BinOp::Max, value, zero);
            let (value, _) = b.div_rem(value, size);
            b.binary(BinOp::Min, value, taps)
        };
        (clamp(begin), clamp(end))
    }
}

fn ceil_div(a: i64, b: i64) -> i64 {
    (a + b - 1) / b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_every_output_and_know_its_taps() {
        for (inputs, kernel, stride, dilation, pad) in
            [(7, 3, 1, 1, 1), (56, 3, 1, 1, 1), (112, 7, 2, 1, 3), (9, 5, 3, 2, 6), (2, 3, 1, 4, 9), (30, 1, 1, 1, 0)]
        {
            let outputs = (inputs + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
            let axis = WindowAxis::convolution(outputs, inputs, kernel, stride, dilation, pad);
            for size in [1, 3, 7, 14] {
                let mut next = 0;
                for segment in axis.segments(size) {
                    assert_eq!(segment.first, next);
                    for tile in 0..segment.tiles {
                        for k in 0..segment.outputs {
                            let output = segment.first + tile * segment.outputs + k;
                            for (tap, valid) in segment.valid.iter().enumerate() {
                                assert_eq!(valid.contains(&k), axis.exists(output, tap), "{axis:?} {output} {tap}");
                            }
                        }
                    }
                    next += segment.tiles * segment.outputs;
                }
                assert_eq!(next, outputs);
            }
        }
    }
}
