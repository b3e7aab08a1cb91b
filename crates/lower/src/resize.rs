//! Resize by weighted taps: linear, cubic, antialiased, anything that index and weight tables say.
//!
//! Where elements stay together behind the last resampled axis (the lanes of a blocked tensor), the taps of all axes are
//! combined in one pass by vectors of these. Otherwise, and where that would be more than [`MOST_TAPS`] taps, one axis is
//! resampled after the other through workspace, first those that shrink. Sums run over the taps in order, in single
//! precision (double for f64).

use crate::copy_kernel::not_here;
use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::resize_nearest::{Resampled, copies_bits, resampled};
use crate::row_copy::{CHUNK_BYTES, for_vectors, native_lanes, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Buf, Kernel, KernelBuilder, Role, Ty, Val};
use cnnc_tensor::{DType, Scalar, Target};

/// Resampling by weighted taps.
pub static RESIZE: Algorithm = Algorithm {
    name: "resize",
    about: "linear, cubic and other resampling by tables of taps",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Tuned,
    candidates: |region, _, _| applies(region).map_or(vec![], |_| vec![Candidate::new("resize", &[])]),
    packings: |_, _, _| vec![],
    work,
    lower,
};

/// Taps of all axes that one pass combines.
const MOST_TAPS: usize = 16;

fn applies(region: &Region) -> Option<Vec<Resampled>> {
    let weighted = region.inputs.first()?.dtype.is_float() && !copies_bits(region);
    if weighted { resampled(region) } else { None }
}

/// One pass: which axes it resamples and what it reads and writes.
struct Pass {
    axes: Vec<Resampled>,
    from: DType,
    to: DType,
}

fn passes(region: &Region, axes: &[Resampled]) -> Vec<Pass> {
    let (from, to) = (region.inputs[0].dtype, region.outputs[0].dtype);
    let between = working_type(from);
    let tables = axes.iter().filter(|a| a.table.is_some()).count();
    let taps: usize = axes.iter().map(|a| a.taps).product();
    let together = axes.last().is_some_and(|a| a.table.is_none() && a.size >= 4);
    if tables <= 1 || together && taps <= MOST_TAPS {
        return vec![Pass { axes: axes.to_vec(), from, to }];
    }
    let mut order: Vec<usize> = (0..axes.len()).rev().filter(|&k| axes[k].table.is_some()).collect();
    order.sort_by(|&a, &b| {
        let growth = |k: usize| axes[k].size as f64 / axes[k].source as f64;
        growth(a).total_cmp(&growth(b))
    });
    let mut now: Vec<Resampled> = axes.iter().map(|a| a.untouched()).collect();
    let mut passes = vec![];
    for (number, &k) in order.iter().enumerate() {
        now[k] = axes[k].clone();
        let read = if number == 0 { from } else { between };
        let written = if number + 1 == order.len() { to } else { between };
        passes.push(Pass { axes: now.clone(), from: read, to: written });
        now[k] = Resampled { source: axes[k].size, taps: 1, table: None, ..axes[k].clone() };
    }
    passes
}

fn work(region: &Region, _: &Candidate, target: &Target) -> Work {
    let Some(axes) = applies(region) else { return Work::default() };
    let taps: usize = axes.iter().map(|a| a.taps).product();
    let flops = 2.0 * taps as f64 * region.outputs[0].count() as f64;
    let passes = passes(region, &axes);
    let scalar = passes.iter().any(|p| p.axes.last().is_some_and(|a| a.table.is_some()));
    let efficiency = if scalar { 2.5 / target.lanes as f64 } else { 0.6 };
    let bytes = region_bytes(region) * passes.len() as f64;
    Work { flops, seconds: roofline(target, flops, efficiency, bytes, passes.len()) }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some(axes) = applies(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() == 0 {
        return Ok(lowering.finish());
    }
    let passes = passes(region, &axes);
    let mut from = Operand::Input(0);
    let last = passes.len() - 1;
    for (number, pass) in passes.iter().enumerate() {
        let elems: usize = pass.axes.iter().map(|a| a.size).product();
        let to = if number == last { Operand::Output(0) } else { lowering.workspace(elems * pass.to.size()) };
        let tables = pass.axes.iter().filter_map(|a| a.table);
        let tables = tables.flat_map(|k| [Operand::Input(1 + 2 * k), Operand::Input(2 + 2 * k)]);
        lowering.call(kernel(pass, target), [from].into_iter().chain(tables).chain([to]).collect());
        from = to;
    }
    Ok(lowering.finish())
}

/// A resampled axis in a kernel.
struct Tap {
    index: Buf,
    weight: Buf,
    axis: usize,
}

/// Part of an element's address, and the weight that goes with it (none: 1).
type Term = (Val, Option<Val>);

fn kernel(pass: &Pass, target: &Target) -> Kernel {
    let axes = &pass.axes;
    let accumulated = working_type(pass.from);
    let width = native_lanes(accumulated, target);
    let mut b = KernelBuilder::new("resize");
    let x = b.buffer("x", pass.from, axes.iter().map(|a| a.source).product(), Role::Read);
    let mut taps = vec![];
    for (axis, resampled) in axes.iter().enumerate().filter(|(_, a)| a.table.is_some()) {
        let elems = resampled.size * resampled.taps;
        let index = b.buffer(&format!("index{axis}"), DType::I64, elems, Role::Read);
        let weight = b.buffer(&format!("weight{axis}"), DType::F32, elems, Role::Read);
        taps.push(Tap { index, weight, axis });
    }
    let result = b.buffer("result", pass.to, axes.iter().map(|a| a.size).product(), Role::Write);
    let Some(last) = taps.pop() else { return b.finish() };
    // Loops: lines before the last resampled axis, positions along it, and the row behind it.
    let row: usize = axes[last.axis + 1..].iter().map(|a| a.size).product();
    let outer: Vec<usize> = axes[..last.axis].iter().map(|a| a.size).collect();
    let size = axes[last.axis].size;
    let chunk = CHUNK_BYTES / (size * row * pass.to.size());
    parallel_items(&mut b, outer.iter().product(), chunk, |b, line| {
        let coords = b.unflatten(line, &outer);
        let bases = bases(b, axes, &taps, &coords, accumulated);
        b.serial(0, size as i64, |b, at| {
            let position = b.address(0, &[(line, size as i64), (at, 1)]);
            let place = b.scale(position, row as i64);
            let sum = Sum { x, last: &last, axes, bases: &bases, at, accumulated };
            for_vectors(b, row, width, |b, offset, lanes| {
                let value = sum.emit(b, offset, lanes);
                let value = b.convert(value, pass.to);
                let to = b.add(place, offset);
                b.store(result, to, value);
            });
        });
    });
    b.finish()
}

fn strides(axes: &[Resampled]) -> Vec<i64> {
    let sources: Vec<usize> = axes.iter().map(|a| a.source).collect();
    cnnc_tensor::row_major_strides(&sources).into_iter().map(|s| s as i64).collect()
}

fn weight(b: &mut KernelBuilder, buffer: Buf, at: Val, dtype: DType) -> Val {
    let weight = b.load(buffer, at, 1);
    b.convert(weight, dtype)
}

/// Where the lines of the operand begin that are combined at these coordinates, each with its weight.
fn bases(b: &mut KernelBuilder, axes: &[Resampled], taps: &[Tap], coords: &[Val], dtype: DType) -> Vec<Term> {
    let strides = strides(axes);
    let fixed: Vec<(Val, i64)> =
        (0..coords.len()).filter(|&k| axes[k].table.is_none()).map(|k| (coords[k], strides[k])).collect();
    let mut bases: Vec<Term> = vec![(b.address(0, &fixed), None)];
    for tap in taps {
        let count = axes[tap.axis].taps;
        let first = b.scale(coords[tap.axis], count as i64);
        let mut next = vec![];
        for t in 0..count {
            let at = b.offset(first, t as i64);
            let (index, own) = (b.load(tap.index, at, 1), weight(b, tap.weight, at, dtype));
            let step = b.scale(index, strides[tap.axis]);
            for &(base, before) in &bases {
                let combined = before.map_or(own, |w| b.mul(w, own));
                next.push((b.add(base, step), Some(combined)));
            }
        }
        bases = next;
    }
    bases
}

/// The sum for one position along the last resampled axis.
struct Sum<'a> {
    x: Buf,
    last: &'a Tap,
    axes: &'a [Resampled],
    bases: &'a [Term],
    at: Val,
    accumulated: DType,
}

impl Sum<'_> {
    fn emit(&self, b: &mut KernelBuilder, offset: Val, lanes: u16) -> Val {
        let count = self.axes[self.last.axis].taps;
        let zero = b.constant(Scalar::from_f64(self.accumulated, 0.0), lanes);
        let first = b.scale(self.at, count as i64);
        if count * self.bases.len() <= MOST_TAPS {
            let mut total = None;
            for tap in 0..count {
                let tap = b.offset(first, tap as i64);
                total = Some(self.tap(b, tap, offset, lanes, total));
            }
            return total.unwrap_or(zero);
        }
        let total = b.var(Ty::vector(self.accumulated, lanes));
        b.set(total, zero);
        b.serial(0, count as i64, |b, tap| {
            let (tap, sum) = (b.add(first, tap), b.get(total));
            let sum = self.tap(b, tap, offset, lanes, Some(sum));
            b.set(total, sum);
        });
        b.get(total)
    }

    /// A sum so far with one more tap of the last axis: all lines at that index.
    fn tap(&self, b: &mut KernelBuilder, tap: Val, offset: Val, lanes: u16, sum: Option<Val>) -> Val {
        let stride = strides(self.axes)[self.last.axis];
        let index = b.load(self.last.index, tap, 1);
        let inside = b.scale(index, stride);
        let inside = b.add(inside, offset);
        let mut lines: Option<Val> = None;
        for &(base, weight) in self.bases {
            let at = b.add(base, inside);
            let loaded = b.load(self.x, at, lanes);
            let value = b.convert(loaded, self.accumulated);
            lines = Some(match (weight.map(|w| b.splat(w, lanes)), lines) {
                (None, _) => value,
                (Some(w), None) => b.mul(value, w),
                (Some(w), Some(sum)) => b.mul_add(value, w, sum),
            });
        }
        let own = weight(b, self.last.weight, tap, self.accumulated);
        let own = b.splat(own, lanes);
        let value = lines.unwrap_or(own);
        match sum {
            Some(sum) => b.mul_add(value, own, sum),
            None => b.mul(value, own),
        }
    }
}
