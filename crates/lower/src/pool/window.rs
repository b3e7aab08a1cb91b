//! The taps of one window, or of several neighbouring ones: a vector.

use super::kernel::{Row, Writer};
use crate::math::{Floats, pow};
use crate::operand::zero_tail_lanes;
use cnnc_ir::graph::ops::PoolKind;
use cnnc_ir::kernel::{BinOp, CmpOp, KernelBuilder, Ty, UnOp, Val, Var};
use cnnc_tensor::{DType, Scalar};

/// The variables of one window.
pub(super) struct Window {
    pub value: Var,
    pub position: Option<Var>,
    /// Sum of the taps, where maxima are taken without looking at NaN: NaN if any tap is.
    pub trace: Option<Var>,
    pub lanes: u16,
}

impl Writer<'_> {
    pub fn window(&self, b: &mut KernelBuilder, columns: usize, traced: bool) -> Window {
        let lanes = (self.block * columns) as u16;
        let trace = traced.then(|| {
            let trace = b.var(Ty::vector(self.pool.dtype(), lanes));
            let zero = b.constant(Scalar::from_f64(self.pool.dtype(), 0.0), lanes);
            b.set(trace, zero);
            trace
        });
        let value = b.var(Ty::vector(self.pool.dtype(), lanes));
        let start = b.constant(self.pool.start(), lanes);
        b.set(value, start);
        let position = self.indices.map(|_| {
            let position = b.var(Ty::vector(DType::I64, lanes));
            let none = b.constant(Scalar::i64(-1), lanes);
            b.set(position, none);
            position
        });
        Window { value, position, trace, lanes }
    }

    pub fn tap(&self, b: &mut KernelBuilder, row: &Row, column: Val, tap: [Val; 3], window: &Window) {
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
            (PoolKind::Max, None) => match window.trace {
                None => self.larger(b, value, total),
                Some(trace) => {
                    let sum = b.get(trace);
                    let sum = b.add(sum, value);
                    b.set(trace, sum);
                    b.binary(BinOp::Max, value, total)
                }
            },
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

    pub fn finish(&self, b: &mut KernelBuilder, row: &Row, column: Val, count: Val, window: &Window) {
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
