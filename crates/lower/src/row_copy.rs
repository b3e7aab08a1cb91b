//! Rows of contiguous elements: copied and filled by vectors, without masks.
//!
//! A row that is no whole number of vectors ends with a vector that overlaps the one before, so no access leaves the row.
//! Data movement never looks at values: elements are moved as unsigned integers of their size ([`bits_type`]).

use cnnc_ir::kernel::{Axis, BinOp, Buf, KernelBuilder, Val};
use cnnc_tensor::{DType, Target};

/// The unsigned integer type of an element's size.
pub fn bits_type(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    }
}

/// Lanes of a type in the target's widest vector: at most 64.
pub fn native_lanes(dtype: DType, target: &Target) -> usize {
    (target.lanes * 4 / dtype.size()).clamp(1, 64)
}

/// The largest power of two that is at most `n` (1 for 0).
pub fn power_of_two_below(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// Bytes that one iteration of the parallel loop of a copying kernel should move.
pub const CHUNK_BYTES: usize = 16 << 10;

/// Vectors between two tests of the loop.
const UNROLL: usize = 4;

/// Calls `body` with the offset and lanes of each vector of a row of `len` elements, at most `width` lanes each.
pub fn for_vectors(
    b: &mut KernelBuilder,
    len: usize,
    width: usize,
    mut body: impl FnMut(&mut KernelBuilder, Val, u16),
) {
    if len == 0 {
        return;
    }
    let lanes = power_of_two_below(len.min(width));
    let full = len / lanes;
    let looped = if full > 2 * UNROLL { full - full % UNROLL } else { 0 };
    if looped > 0 {
        let (begin, end) = (b.index(0), b.index((looped * lanes) as i64));
        b.for_axis(Axis::Serial, begin, end, (UNROLL * lanes) as i64, |b, at| {
            for u in 0..UNROLL {
                let offset = b.offset(at, (u * lanes) as i64);
                body(b, offset, lanes as u16);
            }
        });
    }
    for vector in looped..full {
        let offset = b.index((vector * lanes) as i64);
        body(b, offset, lanes as u16);
    }
    if !len.is_multiple_of(lanes) {
        let offset = b.index((len - lanes) as i64);
        body(b, offset, lanes as u16);
    }
}

/// Copies `len` elements from one buffer to another of the same type.
pub fn copy_row(b: &mut KernelBuilder, from: (Buf, Val), to: (Buf, Val), len: usize, width: usize) {
    for_vectors(b, len, width, |b, offset, lanes| {
        let source = b.add(from.1, offset);
        let vector = b.load(from.0, source, lanes);
        let target = b.add(to.1, offset);
        b.store(to.0, target, vector);
    });
}

/// Stores a scalar `len` times.
pub fn fill_row(b: &mut KernelBuilder, value: Val, to: (Buf, Val), len: usize, width: usize) {
    for_vectors(b, len, width, |b, offset, lanes| {
        let vector = b.splat(value, lanes);
        let target = b.add(to.1, offset);
        b.store(to.0, target, vector);
    });
}

/// The parallel loop over `total` items in chunks of `chunk`: `body` sees each item's number.
pub fn parallel_items(b: &mut KernelBuilder, total: usize, chunk: usize, body: impl FnOnce(&mut KernelBuilder, Val)) {
    let chunk = chunk.clamp(1, total.max(1));
    if chunk == 1 {
        return b.parallel(total, body);
    }
    b.parallel(total.div_ceil(chunk), |b, part| {
        let begin = b.scale(part, chunk as i64);
        let mut end = b.offset(begin, chunk as i64);
        if !total.is_multiple_of(chunk) {
            let total = b.index(total as i64);
            end = b.binary(BinOp::Min, end, total);
        }
        b.for_axis(Axis::Serial, begin, end, 1, body);
    });
}

/// An index read from data: i64, negative ones counted from the end, clamped into `0..size` so that no access leaves a
/// buffer whatever the data.
pub fn load_index(b: &mut KernelBuilder, indices: Buf, at: Val, size: usize) -> Val {
    let raw = b.load(indices, at, 1);
    let index = b.convert(raw, DType::I64);
    let (zero, last) = (b.index(0), b.index(size as i64 - 1));
    let negative = b.compare(cnnc_ir::kernel::CmpOp::Lt, index, zero);
    let from_end = b.offset(index, size as i64);
    let index = b.select(negative, from_end, index);
    let index = b.binary(BinOp::Max, index, zero);
    b.binary(BinOp::Min, index, last)
}
