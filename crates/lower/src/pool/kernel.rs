//! The pooling kernel: rows of results, and the columns of a row.

use super::geometry::Geometry;
use crate::expression::working_type;
use crate::operand::elements;
use crate::rows::parallel_points;
use cnnc_ir::graph::TensorType;
use cnnc_ir::graph::ops::PoolKind;
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, Val, Var};
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
pub(super) struct Writer<'a> {
    pub pool: &'a Pool<'a>,
    pub from: Buf,
    pub to: Buf,
    pub indices: Option<Buf>,
    /// Channels of a pixel that lie side by side.
    pub block: usize,
    /// Lanes of a vector of neighbouring columns.
    pub columns: usize,
}

/// A row of results.
pub(super) struct Row<'a> {
    /// `[plane, d, h]`, where a plane is a channel or block of channels of one image.
    pub coords: &'a [Val],
    /// First element of the plane in the operand.
    pub plane: Val,
    /// First element of the row in the result.
    pub start: Val,
    /// Taps seen along the first two spatial axes.
    pub seen: [(Val, Val); 2],
    /// Taps that count along the first two spatial axes where padding is counted.
    pub declared: Option<Val>,
}

impl Pool<'_> {
    /// The kernel: operand, result, and indices where there are any.
    pub fn kernel(&self, target: &Target) -> Kernel {
        let mut b = KernelBuilder::new("pool");
        let from = b.buffer("x", self.x.dtype, elements(self.x), Role::Read);
        let to = b.buffer("y", self.y.dtype, elements(self.y), Role::Write);
        let indices = self.indices.map(|_| b.buffer("indices", DType::I64, elements(self.y), Role::Write));
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

    pub(super) fn dtype(&self) -> DType {
        working_type(self.x.dtype)
    }

    /// What a window without taps gives.
    pub(super) fn start(&self) -> Scalar {
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
        let sweep = |b: &mut KernelBuilder, traces: Option<Var>| {
            b.for_axis(Axis::Serial, zero, end, 1, |b, at| {
                let mut at = b.scale(at, columns);
                if wide % columns != 0 {
                    let last = b.index(wide - columns);
                    at = b.binary(BinOp::Min, at, last);
                }
                let column = b.offset(at, inside.start as i64);
                self.inside(b, row, column, traces);
            });
        };
        let dtype = self.pool.dtype();
        if self.pool.kind != PoolKind::Max
            || !dtype.is_float()
            || self.indices.is_some()
            || self.block * self.columns == 1
        {
            return sweep(b, None);
        }
        // A maximum that keeps NaN takes three instructions, a plain one and a sum two: a row with NaN is done again.
        let lanes = (self.block * self.columns) as u16;
        let traces = b.var(Ty::vector(dtype, lanes));
        let constant = |b: &mut KernelBuilder, c: f64, lanes: u16| b.constant(Scalar::from_f64(dtype, c), lanes);
        let none = constant(b, 0.0, lanes);
        b.set(traces, none);
        sweep(b, Some(traces));
        let trace = b.get(traces);
        let nan = b.compare(CmpOp::Ne, trace, trace);
        let one = constant(b, 1.0, lanes);
        let marks = b.select(nan, one, none);
        let most = b.fold(BinOp::Max, marks);
        let nothing = constant(b, 0.0, 1);
        let any = b.compare(CmpOp::Gt, most, nothing);
        b.if_(any, |b| sweep(b, None));
    }

    /// A window that lies inside the operand, or several neighbouring ones; with `traces` the sum of all taps is added.
    fn inside(&self, b: &mut KernelBuilder, row: &Row, column: Val, traces: Option<Var>) {
        let axes = &self.pool.geometry.0;
        let window = self.window(b, self.columns, traces.is_some());
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
        if let (Some(traces), Some(trace)) = (traces, window.trace) {
            let (all, own) = (b.get(traces), b.get(trace));
            let all = b.add(all, own);
            b.set(traces, all);
        }
        let count = b.index(self.pool.geometry.taps() as i64);
        self.finish(b, row, column, count, &window);
    }

    /// A window that may reach beyond the operand.
    fn edge(&self, b: &mut KernelBuilder, row: &Row, column: Val) {
        let window = self.window(b, 1, false);
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
}
