//! Windows over exactly three spatial axes: missing ones stand in front with one element and one tap.

use cnnc_ir::graph::ops::Window;
use cnnc_ir::kernel::{BinOp, KernelBuilder, Val};
use std::ops::Range;

/// A window's geometry along one axis.
#[derive(Clone, Copy, Debug)]
pub struct WindowAxis {
    /// Elements of the operand.
    pub input: usize,
    /// Elements of the result.
    pub output: usize,
    /// Taps.
    pub taps: usize,
    /// Step between windows.
    pub stride: usize,
    /// Step between taps.
    pub dilation: usize,
    /// Padding before the operand.
    pub pad: usize,
    /// Declared padding after the operand, where padding is counted.
    pub pad_end: usize,
}

/// A window's geometry.
#[derive(Clone, Copy, Debug)]
pub struct Geometry(pub [WindowAxis; 3]);

impl Geometry {
    /// Of a window between spatial sizes.
    pub fn new(window: &Window, pads_end: &[usize], input: &[usize], output: &[usize]) -> Geometry {
        let missing = 3 - input.len();
        let at = |list: &[usize], axis: usize, default: usize| {
            axis.checked_sub(missing).and_then(|k| list.get(k)).copied().unwrap_or(default)
        };
        Geometry([0, 1, 2].map(|axis| WindowAxis {
            input: at(input, axis, 1),
            output: at(output, axis, 1),
            taps: at(&window.kernel, axis, 1),
            stride: at(&window.strides, axis, 1),
            dilation: at(&window.dilations, axis, 1),
            pad: at(&window.pads_begin, axis, 0),
            pad_end: at(pads_end, axis, 0),
        }))
    }

    /// Taps of a whole window.
    pub fn taps(&self) -> usize {
        self.0.iter().map(|axis| axis.taps).product()
    }
}

impl WindowAxis {
    /// The results whose windows lie inside the operand.
    pub fn inside(&self) -> Range<usize> {
        let begin = self.pad.div_ceil(self.stride).min(self.output);
        let reach = (self.taps - 1) * self.dilation;
        let end = match (self.input + self.pad).checked_sub(reach + 1) {
            Some(last) => (last / self.stride + 1).min(self.output),
            None => 0,
        };
        begin..end.max(begin)
    }

    /// Whether every window lies inside the operand.
    pub fn all_inside(&self) -> bool {
        self.inside() == (0..self.output)
    }

    /// The taps `begin..end` that a result sees; none where `end <= begin`.
    pub fn seen(&self, b: &mut KernelBuilder, result: Val) -> (Val, Val) {
        let start = b.scale(result, self.stride as i64);
        let pad = b.index(self.pad as i64);
        let before = b.sub(pad, start);
        (self.taps_over(b, before), self.taps_before(b, start, self.input))
    }

    /// The taps that count for a result where padding is counted.
    pub fn declared(&self, b: &mut KernelBuilder, result: Val) -> Val {
        let start = b.scale(result, self.stride as i64);
        self.taps_before(b, start, self.input + self.pad_end)
    }

    /// Taps of a window that starts at `start` (in padded coordinates) before the element `limit`.
    fn taps_before(&self, b: &mut KernelBuilder, start: Val, limit: usize) -> Val {
        let limit = b.index((limit + self.pad) as i64);
        let room = b.sub(limit, start);
        let within = self.taps_over(b, room);
        let taps = b.index(self.taps as i64);
        b.binary(BinOp::Min, within, taps)
    }

    /// Taps needed to step over a distance: 0 for a negative one.
    fn taps_over(&self, b: &mut KernelBuilder, distance: Val) -> Val {
        let zero = b.index(0);
        let distance = b.binary(BinOp::Max, distance, zero);
        let up = b.offset(distance, self.dilation as i64 - 1);
        b.div_rem(up, self.dilation as i64).0
    }

    /// The operand's coordinate that a tap of a result sees.
    pub fn coordinate(&self, b: &mut KernelBuilder, result: Val, tap: Val) -> Val {
        b.address(-(self.pad as i64), &[(result, self.stride as i64), (tap, self.dilation as i64)])
    }
}
