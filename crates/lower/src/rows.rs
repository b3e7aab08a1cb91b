//! The loop nest of operators that work row by row: parallel over chunks of rows, or over parts of long rows.
//!
//! How the nest is cut depends on shapes alone, never on the number of threads.

use cnnc_ir::kernel::{Axis, BinOp, KernelBuilder, Val};

/// Elements that one iteration of a parallel loop should work on at least.
const CHUNK: usize = 4096;

/// The parallel loop over the rows of a box of `outer` extents. A row has `inner` items of `unit` elements; `body` gets
/// the row's coordinates and the part of the row to work on, which is all of it unless the row is long.
pub fn parallel_rows(
    b: &mut KernelBuilder,
    outer: &[usize],
    inner: usize,
    unit: usize,
    mut body: impl FnMut(&mut KernelBuilder, &[Val], Val, Val),
) {
    let rows: usize = outer.iter().product();
    if inner.saturating_mul(unit) >= 2 * CHUNK {
        let len = CHUNK.div_ceil(unit.max(1));
        let parts = inner.div_ceil(len);
        return b.parallel(rows * parts, |b, item| {
            let (row, part) = b.div_rem(item, parts as i64);
            let coords = b.unflatten(row, outer);
            let (begin, end) = part_bounds(b, part, len, inner);
            body(b, &coords, begin, end);
        });
    }
    let mut size = (inner * unit).max(1);
    let mut axis = outer.len();
    while axis > 0 && size < CHUNK {
        axis -= 1;
        size *= outer[axis].max(1);
    }
    let (begin, end) = (0, inner as i64);
    let mut whole = |b: &mut KernelBuilder, coords: &[Val]| {
        let (begin, end) = (b.index(begin), b.index(end));
        body(b, coords, begin, end);
    };
    if axis == outer.len() {
        return b.parallel(rows, |b, row| {
            let coords = b.unflatten(row, outer);
            whole(b, &coords);
        });
    }
    let extent = outer[axis];
    let len = CHUNK.div_ceil((size / extent.max(1)).max(1)).clamp(1, extent.max(1));
    let parts = extent.div_ceil(len);
    let before: usize = outer[..axis].iter().product();
    b.parallel(before * parts, |b, item| {
        let (rest, part) = b.div_rem(item, parts as i64);
        let mut coords = b.unflatten(rest, &outer[..axis]);
        let (begin, end) = part_bounds(b, part, len, extent);
        let single = len == 1;
        if single {
            coords.push(begin);
            return nested(b, &outer[axis + 1..], &mut coords, &mut whole);
        }
        b.for_axis(Axis::Serial, begin, end, 1, |b, index| {
            coords.push(index);
            nested(b, &outer[axis + 1..], &mut coords, &mut whole);
        });
    });
}

/// The parallel loop over a box, whose every point works on `unit` elements.
pub fn parallel_points(
    b: &mut KernelBuilder,
    extents: &[usize],
    unit: usize,
    mut body: impl FnMut(&mut KernelBuilder, &[Val]),
) {
    // A point is a row of one item, which is never cut.
    parallel_rows(b, extents, 1, unit.min(CHUNK), |b, coords, _, _| body(b, coords));
}

/// Serial loops over a box; `body` sees `coords` with the box's coordinates behind those that it has.
pub fn nested(
    b: &mut KernelBuilder,
    extents: &[usize],
    coords: &mut Vec<Val>,
    body: &mut dyn FnMut(&mut KernelBuilder, &[Val]),
) {
    let Some((&extent, rest)) = extents.split_first() else { return body(b, coords) };
    b.serial(0, extent as i64, |b, index| {
        coords.push(index);
        nested(b, rest, coords, body);
        coords.pop();
    });
}

fn part_bounds(b: &mut KernelBuilder, part: Val, len: usize, extent: usize) -> (Val, Val) {
    let begin = b.scale(part, len as i64);
    let end = b.offset(begin, len as i64);
    if extent.is_multiple_of(len) {
        return (begin, end);
    }
    let extent = b.index(extent as i64);
    (begin, b.binary(BinOp::Min, end, extent))
}
