//! Strided copies: the one loop nest behind every operator that moves elements by an affine rule.
//!
//! A [`StridedCopy`] reads element `from + sum(i * axis.from)` and writes element `to + sum(i * axis.to)` for every index
//! of its axes. Axes are first sorted by where they write and merged where both sides allow it; then the innermost loop
//! is picked by which axes are contiguous: whole rows by vectors, square tiles transposed in registers, interleaved
//! groups, or one element at a time. Ends that are no whole vector or tile overlap the one before: no masks, and no
//! access outside what is to be copied. Several copies of one result share a kernel ([`copy_kernel`]): its parallel loop
//! counts the chunks of all.

use crate::cost::{region_bytes, roofline};
use crate::register_transpose::{deinterleave, interleave, transpose_tile};
use crate::row_copy::{CHUNK_BYTES, bits_type, copy_row, fill_row, native_lanes, power_of_two_below};
use crate::{LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::graph::{Candidate, TensorType};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Scalar, Target};

/// One axis of a copy. Strides count elements; no two indices write to one place, and `to` is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyAxis {
    /// Iterations.
    pub extent: usize,
    /// Step in the operand.
    pub from: i64,
    /// Step in the result.
    pub to: i64,
}

/// A copy of elements, or a fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StridedCopy {
    /// Which operand is read; `None`: zeros are written.
    pub operand: Option<usize>,
    /// First element read.
    pub from: i64,
    /// First element written.
    pub to: i64,
    /// The axes.
    pub axes: Vec<CopyAxis>,
}

/// A loop around the innermost one. With `step > 1` it goes over tiles, the last of which may overlap the one before.
#[derive(Clone, Copy, Debug)]
struct Loop {
    axis: CopyAxis,
    step: usize,
}

/// What stands inside the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Core {
    /// A row, contiguous on both sides.
    Row(usize),
    /// A row of one element, repeated.
    Splat(usize),
    /// A row of zeros.
    Zeros(usize),
    /// One element.
    Element,
    /// One vector of every second element (2) or of elements in reverse order (-1).
    Stride(i64, usize),
    /// A `tile x tile` transpose: rows start `from` apart in the operand and `to` apart in the result.
    Tile { tile: usize, from: i64, to: i64 },
    /// `k` vectors, `from` apart in the operand, to groups of `k`.
    Interleave { k: usize, lanes: usize, from: i64 },
    /// Groups of `k` to `k` vectors, `to` apart in the result.
    Deinterleave { k: usize, lanes: usize, to: i64 },
}

/// Elements in the largest tile's side.
const LARGEST_TILE: usize = 16;
/// A longer row is cut in such pieces, so that several threads share it.
const LONGEST_ROW: usize = 4096;

/// What the loop around one core costs.
const CORE_SECONDS: f64 = 0.5e-9;

/// A copy with its loops.
#[derive(Debug)]
struct Nest {
    copy: StridedCopy,
    loops: Vec<Loop>,
    /// How many of the loops are part of the parallel one.
    parallel: usize,
    core: Core,
}

impl Loop {
    fn each(axis: CopyAxis) -> Loop {
        Loop { axis, step: 1 }
    }

    fn count(&self) -> usize {
        self.axis.extent.div_ceil(self.step)
    }

    fn index(&self, b: &mut KernelBuilder, iteration: Val) -> Val {
        let at = b.scale(iteration, self.step as i64);
        if self.axis.extent.is_multiple_of(self.step) {
            return at;
        }
        let last = b.index((self.axis.extent - self.step) as i64);
        b.binary(BinOp::Min, at, last)
    }
}

impl StridedCopy {
    /// Elements written.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|a| a.extent).product()
    }

    /// The same copy with axes in order of writing, as few as possible; `None` where nothing is copied.
    fn normalized(&self) -> Option<StridedCopy> {
        if self.count() == 0 {
            return None;
        }
        let mut axes: Vec<CopyAxis> = self.axes.iter().copied().filter(|a| a.extent > 1).collect();
        if self.operand.is_none() {
            axes.iter_mut().for_each(|a| a.from = 0);
        }
        axes.sort_by_key(|a| std::cmp::Reverse(a.to));
        let mut merged: Vec<CopyAxis> = Vec::with_capacity(axes.len());
        for axis in axes {
            let inner = axis.extent as i64;
            match merged.last_mut() {
                Some(outer) if outer.to == axis.to * inner && outer.from == axis.from * inner => {
                    *outer = CopyAxis { extent: outer.extent * axis.extent, ..axis };
                }
                _ => merged.push(axis),
            }
        }
        Some(StridedCopy { axes: merged, ..self.clone() })
    }

    /// The loops for elements of `size` bytes, `width` of which are a native vector.
    fn nest(&self, size: usize, width: usize) -> Option<Nest> {
        let copy = self.normalized()?;
        let (core, loops) = copy.core(size, width);
        let mut inner = core.elements() * size * loops.iter().map(Loop::count).product::<usize>();
        let mut parallel = 0;
        while parallel < loops.len() && inner > CHUNK_BYTES {
            inner /= loops[parallel].count();
            parallel += 1;
        }
        Some(Nest { copy, loops, parallel, core })
    }

    fn core(&self, size: usize, width: usize) -> (Core, Vec<Loop>) {
        let narrow = 16 / size;
        let loops = |without: &[usize]| -> Vec<Loop> {
            let kept = self.axes.iter().enumerate().filter(|(k, _)| !without.contains(k));
            kept.map(|(_, &axis)| Loop::each(axis)).collect()
        };
        let element = if self.operand.is_some() { Core::Element } else { Core::Zeros(1) };
        let Some(last) = self.axes.len().checked_sub(1) else { return (element, vec![]) };
        let row = self.axes[last];
        if row.to != 1 {
            return (element, loops(&[]));
        }
        let lanes = power_of_two_below(row.extent.min(width));
        if row.from == 1 || self.operand.is_none() {
            return long_row(row, loops(&[last]), if self.operand.is_some() { Core::Row } else { Core::Zeros });
        }
        if let Some(other) = self.axes.iter().position(|a| a.from == 1) {
            let column = self.axes[other];
            let column_lanes = power_of_two_below(column.extent.min(width));
            let mut outer = loops(&[last, other]);
            if row.extent <= 4 && column.to == row.extent as i64 && column_lanes >= narrow {
                outer.push(Loop { axis: column, step: column_lanes });
                return (Core::Interleave { k: row.extent, lanes: column_lanes, from: row.from }, outer);
            }
            if column.extent <= 4 && row.from == column.extent as i64 && lanes >= narrow {
                outer.push(Loop { axis: row, step: lanes });
                return (Core::Deinterleave { k: column.extent, lanes, to: column.to }, outer);
            }
            let tile = lanes.min(column_lanes).min(LARGEST_TILE);
            if row.from != 0 && tile >= narrow {
                outer.extend([Loop { axis: column, step: tile }, Loop { axis: row, step: tile }]);
                return (Core::Tile { tile, from: row.from, to: column.to }, outer);
            }
        }
        if row.from == 0 {
            return long_row(row, loops(&[last]), Core::Splat);
        }
        if matches!(row.from, 2 | -1) && lanes >= narrow {
            let mut outer = loops(&[last]);
            outer.push(Loop { axis: row, step: lanes });
            return (Core::Stride(row.from, lanes), outer);
        }
        (element, loops(&[]))
    }
}

fn long_row(row: CopyAxis, mut loops: Vec<Loop>, core: impl Fn(usize) -> Core) -> (Core, Vec<Loop>) {
    if row.extent > 2 * LONGEST_ROW {
        loops.push(Loop { axis: row, step: LONGEST_ROW });
        return (core(LONGEST_ROW), loops);
    }
    (core(row.extent), loops)
}

impl Core {
    /// Elements written.
    fn elements(self) -> usize {
        match self {
            Core::Row(n) | Core::Splat(n) | Core::Zeros(n) | Core::Stride(_, n) => n,
            Core::Element => 1,
            Core::Tile { tile, .. } => tile * tile,
            Core::Interleave { k, lanes, .. } | Core::Deinterleave { k, lanes, .. } => k * lanes,
        }
    }

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
            Core::Tile { tile, from: between, to: apart } => {
                let loaded = load(b, tile, between, tile);
                let transposed = transpose_tile(b, loaded);
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
    fn extent(&self) -> usize {
        self.loops[..self.parallel].iter().map(Loop::count).product()
    }

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
    let nests: Vec<Nest> = copies.iter().filter_map(|c| c.nest(dtype.size(), width)).collect();
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

/// Elements in memory, tail lanes counted.
pub fn elements(ty: &TensorType) -> usize {
    ty.layout.physical_count(&ty.dims).unwrap_or(0)
}

/// Estimated time of copies that make the region's first result.
pub fn copy_work(region: &Region, copies: &Option<Vec<StridedCopy>>, target: &Target) -> Work {
    let size = region.outputs[0].dtype.size();
    let width = native_lanes(region.outputs[0].dtype, target);
    let nests = copies.iter().flatten().filter_map(|c| c.nest(size, width));
    let cores: f64 = nests.map(|n| (n.copy.count() / n.core.elements().max(1)) as f64 * CORE_SECONDS).sum();
    let bytes = region_bytes(region);
    Work { flops: 0.0, seconds: roofline(target, 0.0, 1.0, bytes, 1) + cores }
}
