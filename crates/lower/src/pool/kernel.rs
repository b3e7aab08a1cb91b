//! The pooling kernel.

use super::geometry::Geometry;
use crate::expression::working_type;
use crate::math::{Floats, pow};
use crate::operand::zero_tail_lanes;
use crate::rows::parallel_points;
use cnnc_ir::graph::TensorType;
use cnnc_ir::graph::ops::PoolKind;
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, UnOp, Val, Var};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// Windows of at most so many taps are written out.
const WRITTEN_OUT: usize = 16;

/// What a pooling kernel computes.
pub struct Pool<'a> {
    /// What of a window's taps.
    pub kind: PoolKind,
    /// Which taps.
    pub geometry: Geometry,
    /// Operand type.
    pub x: &'a TensorType,
    /// Type of the first result.
    pub y: &'a TensorType,
    /// Whether there is a second result, and whether it counts column-major.
    pub indices: Option<bool>,
}

/// The kernel under construction.
struct Writer<'a> {
    pool: &'a Pool<'a>,
    from: Buf,
    to: Buf,
    indices: Option<Buf>,
    /// Channels of a pixel that lie side by side.
    block: usize,
    /// Lanes of a vector of neighbouring columns.
    columns: usize,
}

/// A row of results.
struct Row<'a> {
    /// `[plane, d, h]`, where a plane is a channel or block of channels of one image.
    coords: &'a [Val],
    /// First element of the plane in the operand.
    plane: Val,
    /// First element of the row in the result.
    start: Val,
    /// Taps seen along the first two spatial axes.
    seen: [(Val, Val); 2],
    /// Taps that count along the first two spatial axes where padding is counted.
    declared: Option<Val>,
}

/// The variables of one window.
struct Window {
    value: Var,
    position: Option<Var>,
    lanes: u16,
}

impl Pool<'_> {
    /// The kernel: operand, result, and indices where there are any.
    pub fn kernel(&self, target: &Target) -> Kernel {
        let mut b = KernelBuilder::new("pool");
        let count = |ty: &TensorType| ty.layout.physical_count(&ty.dims).unwrap_or(0);
        let from = b.buffer("x", self.x.dtype, count(self.x), Role::Read);
        let to = b.buffer("y", self.y.dtype, count(self.y), Role::Write);
        let indices = self.indices.map(|_| b.buffer("indices", DType::I64, count(self.y), Role::Write));
        let block = if let Layout::Blocked(block) = self.x.layout { block } else { 1 };
        let widest = if indices.is_some() { 8 } else { working_type(self.x.dtype).size() };
        let column = &self.geometry.0[2];
        let inside = column.inside().len();
        let columns = match block == 1 && column.stride == 1 && inside > 0 {
            true => (target.lanes * 4 / widest).clamp(1, 64).min(1 << inside.ilog2()),
            false => 1,
        };
        Writer { pool: self, from, to, indices, block, columns }.write(&mut b);
        b.finish()
    }

    fn dtype(&self) -> DType {
        working_type(self.x.dtype)
    }

    /// What a window without taps gives.
    fn start(&self) -> Scalar {
        let dtype = self.dtype();
        match self.kind {
            PoolKind::Max if dtype.is_signed_int() => Scalar::from_bits(dtype, 1 << (8 * dtype.size() - 1)),
            PoolKind::Max => Scalar::from_f64(dtype, f64::NEG_INFINITY),
            _ => Scalar::from_f64(dtype, 0.0),
        }
    }
}

impl Writer<'_> {
    fn write(&self, b: &mut KernelBuilder) {
        let axes = &self.pool.geometry.0;
        let planes = self.pool.y.layout.physical_dims(&self.pool.y.dims)[..2].iter().product();
        let rows = [planes, axes[0].output, axes[1].output];
        let unit = axes[2].output * self.block * self.pool.geometry.taps();
        parallel_points(b, &rows, unit, |b, coords| {
            let block = self.block as i64;
            let [input, output] = [axes.map(|a| a.input as i64), axes.map(|a| a.output as i64)];
            let plane = b.scale(coords[0], input.iter().product::<i64>() * block);
            let terms = [
                (coords[0], output.iter().product::<i64>() * block),
                (coords[1], output[1] * output[2] * block),
                (coords[2], output[2] * block),
            ];
            let start = b.address(0, &terms);
            let seen = [axes[0].seen(b, coords[1]), axes[1].seen(b, coords[2])];
            let declared = (self.pool.kind == PoolKind::AverageIncludePad).then(|| {
                let (d, h) = (axes[0].declared(b, coords[1]), axes[1].declared(b, coords[2]));
                b.mul(d, h)
            });
            self.row(b, &Row { coords, plane, start, seen, declared });
        });
    }

    /// All columns of a row: first those at the edges, then those inside.
    fn row(&self, b: &mut KernelBuilder, row: &Row) {
        let axes = &self.pool.geometry.0;
        let inside = axes[2].inside();
        let (width, wide) = (axes[2].output as i64, inside.len() as i64);
        let never_inside = axes.iter().any(|axis| axis.inside().is_empty());
        let mut whole: Option<Val> = None;
        for (axis, &coord) in axes[..2].iter().zip(&row.coords[1..]) {
            if axis.all_inside() {
                continue;
            }
            let (low, high) = (b.index(axis.inside().start as i64), b.index(axis.inside().end as i64));
            let (above, below) = (b.compare(CmpOp::Ge, coord, low), b.compare(CmpOp::Lt, coord, high));
            let both = b.binary(BinOp::And, above, below);
            whole = Some(whole.map_or(both, |w| b.binary(BinOp::And, w, both)));
        }
        let (mut skipped, mut first) = (b.index(wide), b.index(inside.start as i64));
        if never_inside {
            skipped = b.index(0);
        } else if let Some(whole) = whole {
            let (none, end) = (b.index(0), b.index(width));
            skipped = b.select(whole, skipped, none);
            first = b.select(whole, first, end);
        }
        if never_inside || whole.is_some() || wide < width {
            let (zero, end) = (b.index(0), b.index(width));
            let end = b.sub(end, skipped);
            b.for_axis(Axis::Serial, zero, end, 1, |b, at| {
                let jumped = b.add(at, skipped);
                let left = b.compare(CmpOp::Lt, at, first);
                let column = if never_inside { at } else { b.select(left, at, jumped) };
                self.edge(b, row, column);
            });
        }
        if never_inside {
            return;
        }
        let columns = self.columns as i64;
        let vectors = (wide + columns - 1) / columns;
        let (zero, mut end) = (b.index(0), b.index(vectors));
        if let Some(whole) = whole {
            end = b.select(whole, end, zero);
        }
        b.for_axis(Axis::Serial, zero, end, 1, |b, at| {
            let mut at = b.scale(at, columns);
            if wide % columns != 0 {
                let last = b.index(wide - columns);
                at = b.binary(BinOp::Min, at, last);
            }
            let column = b.offset(at, inside.start as i64);
            self.inside(b, row, column);
        });
    }

    fn window(&self, b: &mut KernelBuilder, columns: usize) -> Window {
        let lanes = (self.block * columns) as u16;
        let value = b.var(Ty::vector(self.pool.dtype(), lanes));
        let start = b.constant(self.pool.start(), lanes);
        b.set(value, start);
        let position = self.indices.map(|_| {
            let position = b.var(Ty::vector(DType::I64, lanes));
            let none = b.constant(Scalar::i64(-1), lanes);
            b.set(position, none);
            position
        });
        Window { value, position, lanes }
    }

    /// A window that lies inside the operand, or several neighbouring ones.
    fn inside(&self, b: &mut KernelBuilder, row: &Row, column: Val) {
        let axes = &self.pool.geometry.0;
        let window = self.window(b, self.columns);
        let taps = axes.map(|axis| axis.taps as i64);
        if self.pool.geometry.taps() <= WRITTEN_OUT {
            for d in 0..taps[0] {
                for h in 0..taps[1] {
                    for w in 0..taps[2] {
                        let tap = [d, h, w].map(|t| b.index(t));
                        self.tap(b, row, column, tap, &window);
                    }
                }
            }
        } else {
            b.serial(0, taps[0], |b, d| {
                b.serial(0, taps[1], |b, h| b.serial(0, taps[2], |b, w| self.tap(b, row, column, [d, h, w], &window)));
            });
        }
        let count = b.index(self.pool.geometry.taps() as i64);
        self.finish(b, row, column, count, &window);
    }

    /// A window that may reach beyond the operand.
    fn edge(&self, b: &mut KernelBuilder, row: &Row, column: Val) {
        let window = self.window(b, 1);
        let last = &self.pool.geometry.0[2];
        let seen = [row.seen[0], row.seen[1], last.seen(b, column)];
        let [d, h, w] = seen;
        b.for_axis(Axis::Serial, d.0, d.1, 1, |b, d| {
            b.for_axis(Axis::Serial, h.0, h.1, 1, |b, h| {
                b.for_axis(Axis::Serial, w.0, w.1, 1, |b, w| self.tap(b, row, column, [d, h, w], &window));
            });
        });
        let count = match (self.pool.kind, row.declared) {
            (PoolKind::AverageIncludePad, Some(declared)) => {
                let along = last.declared(b, column);
                b.mul(declared, along)
            }
            (PoolKind::Average, _) => seen.into_iter().fold(b.index(1), |count, (begin, end)| {
                let zero = b.index(0);
                let along = b.sub(end, begin);
                let along = b.binary(BinOp::Max, along, zero);
                b.mul(count, along)
            }),
            _ => b.index(1),
        };
        self.finish(b, row, column, count, &window);
    }

    fn tap(&self, b: &mut KernelBuilder, row: &Row, column: Val, tap: [Val; 3], window: &Window) {
        let axes = &self.pool.geometry.0;
        let results = [row.coords[1], row.coords[2], column];
        let at: Vec<Val> = (0..3).map(|k| axes[k].coordinate(b, results[k], tap[k])).collect();
        let (height, width) = (axes[1].input as i64, axes[2].input as i64);
        let block = self.block as i64;
        let terms = [(at[0], height * width * block), (at[1], width * block), (at[2], block), (row.plane, 1)];
        let index = b.address(0, &terms);
        let value = b.load(self.from, index, window.lanes);
        let value = b.convert(value, self.pool.dtype());
        let total = b.get(window.value);
        let next = match (self.pool.kind, window.position) {
            (PoolKind::Max, Some(position)) => self.best(b, value, total, &at, index, position),
            (PoolKind::Max, None) => self.larger(b, value, total),
            (PoolKind::Lp(p), _) => {
                let term = self.power(b, value, p);
                b.add(total, term)
            }
            _ => b.add(total, value),
        };
        b.set(window.value, next);
    }

    /// The larger of two; a NaN on either side stays.
    fn larger(&self, b: &mut KernelBuilder, value: Val, total: Val) -> Val {
        let next = b.binary(BinOp::Max, value, total);
        if !self.pool.dtype().is_float() {
            return next;
        }
        let nan = b.compare(CmpOp::Ne, value, value);
        b.select(nan, value, next)
    }

    /// The larger of two, and where it stands: the first of equal ones, or the first NaN.
    fn best(&self, b: &mut KernelBuilder, value: Val, total: Val, at: &[Val], index: Val, position: Var) -> Val {
        let lanes = b.ty(value).lanes;
        let axes = &self.pool.geometry.0;
        let (depth, height) = (axes[0].input as i64, axes[1].input as i64);
        let (first, step) = match self.pool.indices {
            Some(true) => {
                let terms = [(at[0], 1), (at[1], depth), (at[2], depth * height)];
                let inner = b.address(0, &terms);
                let plane: i64 = axes.iter().map(|a| a.input as i64).product();
                let (outer, _) = b.div_rem(index, plane);
                let outer = b.scale(outer, plane);
                (b.add(outer, inner), depth * height)
            }
            _ => (index, 1),
        };
        let zero = b.index(0);
        let along = b.lanes(zero, lanes);
        let step = b.constant(Scalar::i64(step), lanes);
        let along = b.mul(along, step);
        let first = b.splat(first, lanes);
        let here = b.add(first, along);
        let now = b.get(position);
        let nothing = b.constant(Scalar::i64(0), lanes);
        let unset = b.compare(CmpOp::Lt, now, nothing);
        let larger = b.compare(CmpOp::Gt, value, total);
        let mut better = b.binary(BinOp::Or, unset, larger);
        if self.pool.dtype().is_float() {
            let (nan, number) = (b.compare(CmpOp::Ne, value, value), b.compare(CmpOp::Eq, total, total));
            let first_nan = b.binary(BinOp::And, nan, number);
            better = b.binary(BinOp::Or, better, first_nan);
        }
        let next = b.select(better, here, now);
        b.set(position, next);
        b.select(better, value, total)
    }

    /// `|value|^p`.
    fn power(&self, b: &mut KernelBuilder, value: Val, p: u32) -> Val {
        let magnitude = b.unary(UnOp::Abs, value);
        let mut result = None;
        let mut square = magnitude;
        for bit in 0..32 - p.leading_zeros() {
            if bit > 0 {
                square = b.mul(square, square);
            }
            if p >> bit & 1 == 1 {
                result = Some(result.map_or(square, |r| b.mul(r, square)));
            }
        }
        result.unwrap_or(magnitude)
    }

    fn finish(&self, b: &mut KernelBuilder, row: &Row, column: Val, count: Val, window: &Window) {
        let dtype = self.pool.dtype();
        let lanes = window.lanes;
        let total = b.get(window.value);
        let result = match self.pool.kind {
            PoolKind::Average | PoolKind::AverageIncludePad => {
                let count = b.convert(count, dtype);
                let count = b.splat(count, lanes);
                b.binary(BinOp::Div, total, count)
            }
            PoolKind::Lp(2) => b.unary(UnOp::Sqrt, total),
            PoolKind::Max | PoolKind::Lp(1) => total,
            PoolKind::Lp(p) => {
                let root = b.constant(Scalar::from_f64(dtype, 1.0 / f64::from(p)), lanes);
                pow(&Floats::like(b, total), total, root)
            }
        };
        let channel = match self.block {
            1 => row.coords[0],
            block => {
                let blocks = self.pool.y.dims[1].div_ceil(block);
                let (_, channel) = b.div_rem(row.coords[0], blocks as i64);
                b.scale(channel, block as i64)
            }
        };
        let result = zero_tail_lanes(b, result, self.pool.y, channel);
        let result = b.convert(result, self.pool.y.dtype);
        let along = b.scale(column, self.block as i64);
        let at = b.add(row.start, along);
        b.store(self.to, at, result);
        if let (Some(position), Some(indices)) = (window.position, self.indices) {
            let found = b.get(position);
            let zero = b.constant(Scalar::i64(0), lanes);
            let found = b.binary(BinOp::Max, found, zero);
            b.store(indices, at, found);
        }
    }
}
