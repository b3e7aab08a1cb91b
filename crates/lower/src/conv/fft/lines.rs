//! The transforms of a tile: lines of vectors along one axis after the other, in loops over the lines of a kind.
//!
//! Between passes a tile lies in scratch, which stays in the first-level cache, and lines are replaced in place: a
//! program reads all its operands before it has a result.

use super::shape::{Fft, Pass};
use crate::conv::bilinear::{Grid, Points, StoreLine, TileTransform};
use cnnc_ir::half_spectrum::{Lines, Places};
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};

impl TileTransform for Fft {
    fn between(&self) -> usize {
        if self.forward.len() > 1 { self.tiling.size() } else { 0 }
    }

    fn forward(&self, b: &mut KernelBuilder, sizes: &[usize], from: &Grid, between: Buf, to: &Points) {
        let between = Grid::dense(b, between, sizes, self.tiling.lanes);
        for (k, pass) in self.forward.iter().enumerate() {
            let source = if k == 0 { from } else { &between };
            let to_points = k + 1 == self.forward.len();
            self.each_line(b, pass, sizes, &mut |b, lines, at, point| {
                let program = pass.program(lines);
                let operands = Line::of(b, source, lines, pass.axis, at);
                let results = match to_points {
                    true => Line::of_points(b, to, point),
                    false => Line::of(b, &between, lines, pass.axis, at),
                };
                program.emit(
                    b,
                    self.lanes(),
                    &mut |b, k| operands.load(b, k, program.operands(), self.lanes()),
                    &mut |b, k, value| {
                        results.store(b, k, program.results(), value);
                    },
                );
            });
        }
    }

    fn inverse(&self, b: &mut KernelBuilder, from: &Points, between: Buf, store: &mut StoreLine) {
        let kept: Vec<usize> = self.tiling.axes.iter().map(|a| a.m).collect();
        let between = Grid::dense(b, between, &self.tiling.sizes(), self.tiling.lanes);
        for (k, pass) in self.inverse.iter().enumerate() {
            let is_last = k + 1 == self.inverse.len();
            self.each_line(b, pass, &kept, &mut |b, lines, at, point| {
                let program = pass.program(lines);
                let line = Line::of(b, &between, lines, pass.axis, at);
                let operands = if k == 0 { Line::of_points(b, from, point) } else { line };
                let mut results = vec![None; program.results()];
                program.emit(
                    b,
                    self.lanes(),
                    &mut |b, k| operands.load(b, k, program.operands(), self.lanes()),
                    &mut |b, k, value| match is_last {
                        true => results[k] = Some(value),
                        false => line.store(b, k, program.results(), value),
                    },
                );
                if is_last {
                    let results: Vec<Val> = results.into_iter().flatten().collect();
                    store(b, at, &results);
                }
            });
        }
    }
}

/// What is emitted for a line: the lines of its kind, its coordinates (0 on its own axis), its first point where the pass
/// is the one next to the points.
type EachLine<'a> = dyn FnMut(&mut KernelBuilder, &Lines, &[Val], Val) + 'a;

impl Fft {
    fn lanes(&self) -> u16 {
        self.tiling.lanes as u16
    }

    /// Loops over the lines of a pass, where the axes before it hold so many elements.
    fn each_line(&self, b: &mut KernelBuilder, pass: &Pass, before: &[usize], act: &mut EachLine) {
        let mut first = 0;
        for lines in self.spectrum.lines(pass.axis, before) {
            let points = lines.points(self.tiling.axes[pass.axis].size);
            let zero = b.index(0);
            each_place(b, &lines.places, &mut vec![], zero, &mut |b, at, number| {
                let point = b.address(first as i64, &[(number, points as i64)]);
                act(b, &lines, at, point);
            });
            first += lines.count() * points;
        }
    }
}

/// Loops over all places, the last axis innermost; `number` counts them.
fn each_place(
    b: &mut KernelBuilder,
    places: &[Places],
    at: &mut Vec<Val>,
    number: Val,
    act: &mut dyn FnMut(&mut KernelBuilder, &[Val], Val),
) {
    let Some(axis) = places.get(at.len()) else { return act(b, at, number) };
    b.serial(0, axis.count as i64, |b, k| {
        at.push(b.address(axis.begin as i64, &[(k, axis.step as i64)]));
        let number = b.address(0, &[(number, axis.count as i64), (k, 1)]);
        each_place(b, places, at, number, act);
        at.pop();
    });
}

/// Where the operands or results of a program lie: at even distances, and where it is a complex line of a tile, the second
/// half of them, its imaginary parts, as far from the first.
#[derive(Clone, Copy)]
struct Line {
    buffer: Buf,
    first: Val,
    stride: i64,
    imaginary: Option<i64>,
}

impl Line {
    /// A line of a tile.
    fn of(b: &mut KernelBuilder, grid: &Grid, lines: &Lines, axis: usize, at: &[Val]) -> Line {
        let first = grid.at(b, at);
        let imaginary = lines.imaginary.map(|k| grid.strides[k]);
        Line { buffer: grid.buffer, first, stride: grid.strides[axis], imaginary }
    }

    /// Points from a number on.
    fn of_points(b: &mut KernelBuilder, points: &Points, number: Val) -> Line {
        let first = b.address(0, &[(points.base, 1), (number, points.stride)]);
        Line { buffer: points.buffer, first, stride: points.stride, imaginary: None }
    }

    fn element(&self, b: &mut KernelBuilder, k: usize, count: usize) -> Val {
        let by = match self.imaginary {
            Some(apart) if k >= count / 2 => apart + (k - count / 2) as i64 * self.stride,
            _ => k as i64 * self.stride,
        };
        b.offset(self.first, by)
    }

    /// Operand k of so many.
    fn load(&self, b: &mut KernelBuilder, k: usize, count: usize, lanes: u16) -> Val {
        let index = self.element(b, k, count);
        b.load(self.buffer, index, lanes)
    }

    /// Stores result k of so many.
    fn store(&self, b: &mut KernelBuilder, k: usize, count: usize, value: Val) {
        let index = self.element(b, k, count);
        b.store(self.buffer, index, value);
    }
}
