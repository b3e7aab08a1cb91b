//! GridSample: an image sampled at a grid of coordinates known at run time; images of any rank, plain or blocked.
//!
//! The taps of a point (pixels and weights) are found once and used for every channel; on a blocked image the channels
//! of a block are a vector. Coordinates are computed in single precision (double for f64); a pixel's index is clamped
//! into the image whatever the coordinate. Cubic interpolation is Keys's (1981) with coefficient -0.75.

use crate::copy_kernel::not_here;
use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::operand::elements;
use crate::row_copy::{for_vectors, native_lanes, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::{GridMode, GridPadding};
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, UnOp, Val};
use cnnc_tensor::{DType, Layout, Scalar, Target, row_major_strides};

/// Sampling at coordinates.
pub static GRID_SAMPLE: Algorithm = Algorithm {
    name: "grid_sample",
    about: "an image sampled at a grid of coordinates",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Generic,
    candidates: |region, _, _| sampler(region).map_or(vec![], |_| vec![Candidate::new("grid_sample", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let Some(sampler) = sampler(region) else { return Work::default() };
        let taps = sampler.tap_count().pow(sampler.sizes.len() as u32) as f64;
        let flops = 2.0 * taps * region.outputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.5 / target.lanes as f64, region_bytes(region), 1) }
    },
    lower,
};

/// More taps than this are looped over.
const MOST_TAPS: usize = 16;

struct Sampler {
    mode: GridMode,
    padding: GridPadding,
    align_corners: bool,
    sizes: Vec<usize>,
    dtype: DType,
}

/// A pixel that a point reads: its index, its weight, and whether it lies inside (none: always).
#[derive(Clone, Copy)]
struct Tap {
    index: Val,
    weight: Val,
    inside: Option<Val>,
}

fn sampler(region: &Region) -> Option<Sampler> {
    let &Op::GridSample { mode, padding, align_corners } = region.op else { return None };
    let (x, grid, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let layouts = x.layout == result.layout && grid.layout == Layout::Plain;
    let floats = x.dtype.is_float() && grid.dtype.is_float();
    let sampler = Sampler { mode, padding, align_corners, sizes: x.dims[2..].to_vec(), dtype: working_type(x.dtype) };
    (layouts && floats).then_some(sampler)
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some(sampler) = sampler(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() > 0 {
        let operands = vec![Operand::Input(0), Operand::Input(1), Operand::Output(0)];
        lowering.call(sampler.kernel(region, target), operands);
    }
    Ok(lowering.finish())
}

impl Sampler {
    fn tap_count(&self) -> usize {
        match self.mode {
            GridMode::Nearest => 1,
            GridMode::Linear => 2,
            GridMode::Cubic => 4,
        }
    }

    fn kernel(&self, region: &Region, target: &Target) -> Kernel {
        let (x, grid, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
        let (pixels, points): (usize, usize) = (self.sizes.iter().product(), result.dims[2..].iter().product());
        // A plain image is one of blocks of one channel.
        let lanes = if let Layout::Blocked(block) = x.layout { block } else { 1 };
        let blocks = x.dims[1].div_ceil(lanes);
        let mut b = KernelBuilder::new("grid_sample");
        let image = b.buffer("x", x.dtype, elements(x), Role::Read);
        let coordinates = b.buffer("grid", grid.dtype, grid.count(), Role::Read);
        let to = b.buffer("result", result.dtype, elements(result), Role::Write);
        let count = self.tap_count().pow(self.sizes.len() as u32);
        let lists = (count > MOST_TAPS).then(|| {
            (
                b.buffer("indices", DType::I64, count, Role::Scratch),
                b.buffer("weights", self.dtype, count, Role::Scratch),
                b.buffer("inside", DType::Bool, count, Role::Scratch),
            )
        });
        let width = native_lanes(self.dtype, target);
        parallel_items(&mut b, x.dims[0] * points, 64, |b, item| {
            let (n, point) = b.div_rem(item, points as i64);
            let taps = self.taps(b, coordinates, item);
            if let Some(lists) = lists {
                store_taps(b, &taps, lists);
            }
            b.serial(0, blocks as i64, |b, block| {
                let plane = b.address(0, &[(n, blocks as i64), (block, 1)]);
                let from = b.scale(plane, (pixels * lanes) as i64);
                let place = b.address(0, &[(plane, (points * lanes) as i64), (point, lanes as i64)]);
                for_vectors(b, lanes, width, |b, offset, vector| {
                    let base = b.add(from, offset);
                    let sum = match lists {
                        None => self.sum(b, image, base, lanes, vector, &taps),
                        Some(lists) => self.sum_listed(b, image, base, lanes, vector, count, lists),
                    };
                    let value = b.convert(sum, result.dtype);
                    let at = b.add(place, offset);
                    b.store(to, at, value);
                });
            });
        });
        b.finish()
    }

    fn constant(&self, b: &mut KernelBuilder, value: f64) -> Val {
        b.constant(Scalar::from_f64(self.dtype, value), 1)
    }

    /// The taps of a point: all combinations of its axes' taps, the first axis outermost.
    fn taps(&self, b: &mut KernelBuilder, grid: Buf, point: Val) -> Vec<Tap> {
        let rank = self.sizes.len();
        let mut all: Vec<Tap> = vec![];
        for (axis, &stride) in row_major_strides(&self.sizes).iter().enumerate() {
            // The last axis comes first in the grid.
            let at = b.address((rank - 1 - axis) as i64, &[(point, rank as i64)]);
            let loaded = b.load(grid, at, 1);
            let normalised = b.convert(loaded, self.dtype);
            let own = self.axis_taps(b, axis, normalised);
            let mut next = vec![];
            if all.is_empty() {
                for tap in own {
                    next.push(Tap { index: b.scale(tap.index, stride as i64), ..tap });
                }
            } else {
                for before in &all {
                    for tap in &own {
                        let step = b.scale(tap.index, stride as i64);
                        let index = b.add(before.index, step);
                        let weight = b.mul(before.weight, tap.weight);
                        let inside = match (before.inside, tap.inside) {
                            (Some(a), Some(c)) => Some(b.binary(BinOp::And, a, c)),
                            (a, c) => a.or(c),
                        };
                        next.push(Tap { index, weight, inside });
                    }
                }
            }
            all = next;
        }
        all
    }

    fn axis_taps(&self, b: &mut KernelBuilder, axis: usize, normalised: Val) -> Vec<Tap> {
        let size = self.sizes[axis] as f64;
        let (one, half) = (self.constant(b, 1.0), self.constant(b, 0.5));
        let shifted = b.add(normalised, one);
        let mut at = if self.align_corners {
            let (half_way, span) = (b.mul(shifted, half), self.constant(b, size - 1.0));
            b.mul(half_way, span)
        } else {
            let span = self.constant(b, size);
            let scaled = b.mul(shifted, span);
            let less = b.sub(scaled, one);
            b.mul(less, half)
        };
        if self.mode == GridMode::Nearest {
            at = b.unary(UnOp::Round, at);
        }
        at = match self.padding {
            // A cubic curve goes on beyond the border; only its pixels are folded back.
            _ if self.mode == GridMode::Cubic => at,
            GridPadding::Zeros => at,
            GridPadding::Border => self.clamped(b, at, 0.0, size - 1.0),
            GridPadding::Reflection => self.reflected(b, at, size),
        };
        let base = b.unary(UnOp::Floor, at);
        let t = b.sub(at, base);
        let (first, weights) = match self.mode {
            GridMode::Nearest => (at, vec![one]),
            GridMode::Linear => (base, vec![b.sub(one, t), t]),
            GridMode::Cubic => (b.sub(base, one), self.cubic_weights(b, t)),
        };
        let taps = weights.into_iter().enumerate().map(|(k, weight)| {
            let step = self.constant(b, k as f64);
            let pixel = b.add(first, step);
            let (index, inside) = self.pixel(b, pixel, self.sizes[axis]);
            Tap { index, weight, inside }
        });
        taps.collect()
    }

    /// The pixel at a whole coordinate by the padding's rule, and whether there is one.
    fn pixel(&self, b: &mut KernelBuilder, at: Val, size: usize) -> (Val, Option<Val>) {
        let last = size as f64 - 1.0;
        let inside = (self.padding == GridPadding::Zeros).then(|| {
            let (zero, end) = (self.constant(b, 0.0), self.constant(b, last));
            let (low, high) = (b.compare(CmpOp::Ge, at, zero), b.compare(CmpOp::Le, at, end));
            b.binary(BinOp::And, low, high)
        });
        let folded = if self.padding == GridPadding::Reflection { self.reflected(b, at, size as f64) } else { at };
        let whole = b.convert(folded, DType::I64);
        let (zero, end) = (b.index(0), b.index(size as i64 - 1));
        let above = b.binary(BinOp::Max, whole, zero);
        (b.binary(BinOp::Min, above, end), inside)
    }

    fn clamped(&self, b: &mut KernelBuilder, at: Val, low: f64, high: f64) -> Val {
        let (low, high) = (self.constant(b, low), self.constant(b, high));
        let above = b.binary(BinOp::Max, at, low);
        b.binary(BinOp::Min, above, high)
    }

    /// A coordinate folded back between the borders of the image.
    fn reflected(&self, b: &mut KernelBuilder, at: Val, size: f64) -> Val {
        let (low, high) = if self.align_corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
        let period = 2.0 * (high - low);
        if period == 0.0 {
            return self.constant(b, low);
        }
        let (first, length) = (self.constant(b, low), self.constant(b, period));
        let distance = b.sub(at, first);
        let turns = b.binary(BinOp::Div, distance, length);
        let whole = b.unary(UnOp::Floor, turns);
        let skipped = b.mul(whole, length);
        let folded = b.sub(distance, skipped);
        let back = b.sub(length, folded);
        let near = b.binary(BinOp::Min, folded, back);
        let reflected = b.add(near, first);
        let last = self.constant(b, high);
        let (above, below) = (b.compare(CmpOp::Ge, at, first), b.compare(CmpOp::Le, at, last));
        let between = b.binary(BinOp::And, above, below);
        b.select(between, at, reflected)
    }

    /// Weights of the four neighbours of a point at distance `t` behind the second.
    fn cubic_weights(&self, b: &mut KernelBuilder, t: Val) -> Vec<Val> {
        const A: f64 = -0.75;
        let one = self.constant(b, 1.0);
        let polynomial = |b: &mut KernelBuilder, d: Val, coefficients: [f64; 4]| {
            let mut value = self.constant(b, coefficients[0]);
            for c in &coefficients[1..] {
                let c = self.constant(b, *c);
                value = b.mul_add(value, d, c);
            }
            value
        };
        let near = [A + 2.0, -(A + 3.0), 0.0, 1.0];
        let far = [A, -5.0 * A, 8.0 * A, -4.0 * A];
        let (before, after) = (b.add(t, one), b.sub(one, t));
        let beyond = b.add(after, one);
        [(before, far), (t, near), (after, near), (beyond, far)].map(|(d, c)| polynomial(b, d, c)).to_vec()
    }

    /// One weighted pixel added to a sum.
    fn term(&self, b: &mut KernelBuilder, image: Buf, base: Val, lanes: usize, vector: u16, tap: Tap, sum: Val) -> Val {
        let at = b.address(0, &[(base, 1), (tap.index, lanes as i64)]);
        let loaded = b.load(image, at, vector);
        let mut value = b.convert(loaded, self.dtype);
        if let Some(inside) = tap.inside {
            let inside = b.splat(inside, vector);
            let zero = b.constant(Scalar::from_f64(self.dtype, 0.0), vector);
            value = b.select(inside, value, zero);
        }
        let weight = b.splat(tap.weight, vector);
        b.mul_add(value, weight, sum)
    }

    fn sum(&self, b: &mut KernelBuilder, image: Buf, base: Val, lanes: usize, vector: u16, taps: &[Tap]) -> Val {
        let zero = b.constant(Scalar::from_f64(self.dtype, 0.0), vector);
        taps.iter().fold(zero, |sum, &tap| self.term(b, image, base, lanes, vector, tap, sum))
    }

    fn sum_listed(
        &self,
        b: &mut KernelBuilder,
        image: Buf,
        base: Val,
        lanes: usize,
        vector: u16,
        count: usize,
        (indices, weights, inside): (Buf, Buf, Buf),
    ) -> Val {
        let total = b.var(Ty::vector(self.dtype, vector));
        let zero = b.constant(Scalar::from_f64(self.dtype, 0.0), vector);
        b.set(total, zero);
        b.serial(0, count as i64, |b, k| {
            let (index, weight) = (b.load(indices, k, 1), b.load(weights, k, 1));
            let inside = (self.padding == GridPadding::Zeros).then(|| b.load(inside, k, 1));
            let sum = b.get(total);
            let sum = self.term(b, image, base, lanes, vector, Tap { index, weight, inside }, sum);
            b.set(total, sum);
        });
        b.get(total)
    }
}

fn store_taps(b: &mut KernelBuilder, taps: &[Tap], (indices, weights, inside): (Buf, Buf, Buf)) {
    for (k, tap) in taps.iter().enumerate() {
        let at = b.index(k as i64);
        b.store(indices, at, tap.index);
        b.store(weights, at, tap.weight);
        if let Some(is_inside) = tap.inside {
            b.store(inside, at, is_inside);
        }
    }
}
