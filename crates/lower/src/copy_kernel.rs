//! Kernels of strided copies. Several copies of one result share a kernel: its parallel loop counts the chunks of all.

use crate::cost::roofline;
use crate::operand::elements;
use crate::register_transpose::{deinterleave, interleave, transpose_tile};
use crate::row_copy::{bits_type, copy_row, fill_row, native_lanes};
use crate::strided_copy::{Core, Fit, Loop, Nest, StridedCopy};
use crate::{LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Scalar, Target};

impl Core {
    fn emit(self, b: &mut KernelBuilder, from: (Buf, Val), to: (Buf, Val), width: usize) {
        let rows = |b: &mut KernelBuilder, base: Val, count: usize, stride: i64| -> Vec<Val> {
            (0..count).map(|k| b.offset(base, k as i64 * stride)).collect()
        };
        let load = |b: &mut KernelBuilder, count: usize, stride: i64, lanes: usize| -> Vec<Val> {
            rows(b, from.1, count, stride).into_iter().map(|at| b.load(from.0, at, lanes as u16)).collect()
        };
        let store = |b: &mut KernelBuilder, vectors: Vec<Val>, stride: i64| {
            let places = rows(b, to.1, vectors.len(), stride);
            places.into_iter().zip(vectors).for_each(|(at, vector)| b.store(to.0, at, vector));
        };
        match self {
            Core::Row(len) => copy_row(b, from, to, len, width),
            Core::Splat(len) => {
                let value = b.load(from.0, from.1, 1);
                fill_row(b, value, to, len, width);
            }
            Core::Zeros(len) => {
                let zero = b.constant(Scalar::from_bits(b.dtype(to.0), 0), 1);
                fill_row(b, zero, to, len, width);
            }
            Core::Element => {
                let value = b.load(from.0, from.1, 1);
                b.store(to.0, to.1, value);
            }
            Core::Stride(step, lanes) => {
                let vector = load_strided(b, from, step, lanes);
                b.store(to.0, to.1, vector);
            }
            Core::Tile { tile, from: between, to: apart, loaded, stored } => {
                let mut rows = load(b, loaded, between, tile);
                if loaded < tile {
                    let zero = b.constant(Scalar::from_bits(b.dtype(to.0), 0), tile as u16);
                    rows.resize(tile, zero);
                }
                let mut transposed = transpose_tile(b, rows);
                transposed.truncate(stored);
                store(b, transposed, apart);
            }
            Core::Interleave { k, lanes, from: between } => {
                let loaded = load(b, k, between, lanes);
                let groups = interleave(b, &loaded);
                store(b, groups, lanes as i64);
            }
            Core::Deinterleave { k, lanes, to: apart } => {
                let loaded = load(b, k, lanes as i64, lanes);
                let vectors = deinterleave(b, &loaded);
                store(b, vectors, apart);
            }
        }
    }
}

/// Every second element, or elements downwards. Nothing beyond the first and the last wanted element is read.
fn load_strided(b: &mut KernelBuilder, from: (Buf, Val), step: i64, lanes: usize) -> Val {
    let last = lanes - 1;
    if step == -1 {
        let first = b.offset(from.1, -(last as i64));
        let vector = b.load(from.0, first, lanes as u16);
        return b.shuffle(vector, vector, (0..lanes).rev().map(|l| l as u16).collect());
    }
    let low = b.load(from.0, from.1, lanes as u16);
    let second = b.offset(from.1, last as i64);
    let high = b.load(from.0, second, lanes as u16);
    let pick = (0..lanes).map(|l| if 2 * l < lanes { 2 * l } else { lanes + 2 * l - last });
    b.shuffle(low, high, pick.map(|l| l as u16).collect())
}

impl Nest {
    fn emit(&self, b: &mut KernelBuilder, chunk: Val, operands: &[Buf], result: Buf, width: usize) {
        let (outer, inner) = self.loops.split_at(self.parallel);
        let counts: Vec<usize> = outer.iter().map(Loop::count).collect();
        let (mut from, mut to) = (b.index(self.copy.from), b.index(self.copy.to));
        let iterations = b.unflatten(chunk, &counts);
        for (l, iteration) in outer.iter().zip(iterations) {
            (from, to) = advance(b, l, iteration, from, to);
        }
        let source = self.copy.operand.map_or(result, |k| operands[k]);
        nest(b, inner, from, to, &|b, from, to| self.core.emit(b, (source, from), (result, to), width));
    }
}

impl Loop {
    /// Position along the axis that an iteration starts at.
    fn index(&self, b: &mut KernelBuilder, iteration: Val) -> Val {
        let at = b.scale(iteration, self.step as i64);
        if self.axis.extent.is_multiple_of(self.step) {
            return at;
        }
        let last = b.index((self.axis.extent - self.step) as i64);
        b.binary(BinOp::Min, at, last)
    }
}

fn advance(b: &mut KernelBuilder, l: &Loop, iteration: Val, from: Val, to: Val) -> (Val, Val) {
    let index = l.index(b, iteration);
    let (read, write) = (b.scale(index, l.axis.from), b.scale(index, l.axis.to));
    (b.add(from, read), b.add(to, write))
}

fn nest(b: &mut KernelBuilder, loops: &[Loop], from: Val, to: Val, core: &dyn Fn(&mut KernelBuilder, Val, Val)) {
    let Some((first, rest)) = loops.split_first() else { return core(b, from, to) };
    b.serial(0, first.count() as i64, |b, iteration| {
        let (from, to) = advance(b, first, iteration, from, to);
        nest(b, rest, from, to, core);
    });
}

/// A kernel that makes one result of `result` elements by copies from operands of `operands[k]` elements. Buffers: the
/// operands, then the result.
pub fn copy_kernel(
    name: &str,
    dtype: DType,
    operands: &[usize],
    result: usize,
    copies: &[StridedCopy],
    target: &Target,
) -> Kernel {
    let dtype = bits_type(dtype);
    let width = native_lanes(dtype, target);
    let fit = |c: &StridedCopy| Fit { size: dtype.size(), width, operand: c.operand.map_or(0, |k| operands[k]) };
    let nests: Vec<Nest> = copies.iter().flat_map(|c| c.nests(fit(c))).collect();
    let mut b = KernelBuilder::new(name);
    let sources: Vec<Buf> = operands
        .iter()
        .enumerate()
        .map(|(k, &elems)| b.buffer(&format!("operand{k}"), dtype, elems, Role::Read))
        .collect();
    let result = b.buffer("result", dtype, result, Role::Write);
    b.parallel(nests.iter().map(Nest::extent).sum(), |b, chunk| chunks(b, chunk, &nests, &sources, result, width));
    b.finish()
}

/// The nest that a chunk belongs to.
fn chunks(b: &mut KernelBuilder, chunk: Val, nests: &[Nest], sources: &[Buf], result: Buf, width: usize) {
    match nests {
        [] => {}
        [last] => last.emit(b, chunk, sources, result, width),
        [first, rest @ ..] => {
            let extent = b.index(first.extent() as i64);
            let here = b.compare(CmpOp::Lt, chunk, extent);
            let beyond = b.sub(chunk, extent);
            b.if_else(
                here,
                |b| first.emit(b, chunk, sources, result, width),
                |b| chunks(b, beyond, rest, sources, result, width),
            );
        }
    }
}

/// The candidate of an algorithm that copies, where it applies.
pub fn copy_candidates(name: &str, copies: Option<Vec<StridedCopy>>) -> Vec<Candidate> {
    copies.map_or(vec![], |_| vec![Candidate::new(name, &[])])
}

/// The lowering that makes the region's first result by copies from its operands; an error where there are none.
/// `operand` of a copy counts the region's operands; those that no copy reads are not bound.
pub fn lower_copies(
    candidate: &Candidate,
    region: &Region,
    copies: Option<Vec<StridedCopy>>,
    target: &Target,
) -> Result<Lowering, LowerError> {
    let Some(copies) = copies else { return Err(not_here(candidate, region)) };
    let result = &region.outputs[0];
    let mut lowering = LoweringBuilder::default();
    if result.bytes() == 0 {
        return Ok(lowering.finish());
    }
    let mut used: Vec<usize> = copies.iter().filter_map(|c| c.operand).collect();
    used.sort_unstable();
    used.dedup();
    let place = |operand: usize| used.iter().position(|&u| u == operand);
    let copies: Vec<StridedCopy> =
        copies.iter().map(|c| StridedCopy { operand: c.operand.and_then(place), ..c.clone() }).collect();
    let sources: Vec<usize> = used.iter().map(|&k| elements(&region.inputs[k])).collect();
    let kernel = copy_kernel(&candidate.algorithm, result.dtype, &sources, elements(result), &copies, target);
    let bound = used.iter().map(|&k| Operand::Input(k)).chain([Operand::Output(0)]).collect();
    lowering.call(kernel, bound);
    Ok(lowering.finish())
}

/// The error of a candidate whose algorithm does not take the region.
pub fn not_here(candidate: &Candidate, region: &Region) -> LowerError {
    LowerError::Illegal {
        node: region.name.into(),
        candidate: candidate.algorithm.clone(),
        why: format!("it does not compute {} on these types", region.op.name()),
    }
}

/// What the loop around one core costs.
const CORE_SECONDS: f64 = 0.3e-9;

/// Estimated time of copies that make the region's first result.
pub fn copy_work(region: &Region, copies: &Option<Vec<StridedCopy>>, target: &Target) -> Work {
    let dtype = region.outputs[0].dtype;
    let (size, width) = (dtype.size(), native_lanes(dtype, target));
    let (mut bytes, mut cores) = (0.0, 0.0);
    for copy in copies.iter().flatten() {
        let operand = copy.operand.and_then(|k| region.inputs.get(k)).map_or(0, elements);
        for nest in copy.nests(Fit { size, width, operand }) {
            cores += nest.copy.count() as f64 / nest.core.elements() as f64;
            bytes += ((nest.copy.count() + touched(&nest.copy, size)) * size) as f64;
        }
    }
    Work { flops: 0.0, seconds: roofline(target, 0.0, 1.0, bytes, 1) + cores * CORE_SECONDS }
}

/// Elements of the operand that are read or lie in a cache line with one that is.
fn touched(copy: &StridedCopy, size: usize) -> usize {
    let moving = copy.axes.iter().filter(|a| a.from != 0);
    let nearest = moving.clone().map(|a| a.from.unsigned_abs() as usize).min().unwrap_or(0);
    moving.map(|a| a.extent).product::<usize>() * nearest.min(64 / size)
}
