//! Rearranging elements between vector registers: square transposes, interleaving and deinterleaving.
//!
//! The square transpose works on 128-bit units first (each stage one `punpck`-like shuffle, which never crosses a unit)
//! and then moves whole units, so that every stage is one cheap instruction a row on SSE, AVX2 and AVX-512 alike:
//! `t * log2(t)` shuffles for a `t x t` tile.

use cnnc_ir::kernel::{KernelBuilder, Val};

/// Transposes a square tile: lane j of row i becomes lane i of row j. The number of rows is the number of lanes, a power
/// of two; a row has at most 512 bits.
pub fn transpose_tile(b: &mut KernelBuilder, mut rows: Vec<Val>) -> Vec<Val> {
    let tile = rows.len();
    if tile < 2 {
        return rows;
    }
    let unit = (16 / b.ty(rows[0]).dtype.size()).min(tile);
    for group in rows.chunks_mut(unit) {
        transpose_in_units(b, group, tile);
    }
    let units = tile / unit;
    if units == 1 {
        return rows;
    }
    let mut result = rows.clone();
    for j in 0..unit {
        let column: Vec<Val> = (0..units).map(|g| rows[g * unit + j]).collect();
        for (l, row) in transpose_units(b, &column, unit).into_iter().enumerate() {
            result[l * unit + j] = row;
        }
    }
    result
}

/// `rows.len()` rows; within each unit of as many lanes, the rows are transposed by perfect shuffles.
fn transpose_in_units(b: &mut KernelBuilder, rows: &mut [Val], lanes: usize) {
    let unit = rows.len();
    let half = unit / 2;
    let zip = |first: usize| -> Vec<u16> {
        let pairs = (0..lanes).step_by(unit).flat_map(|base| (0..half).map(move |m| base + first + m));
        pairs.flat_map(|lane| [lane as u16, (lanes + lane) as u16]).collect()
    };
    let (low, high) = (zip(0), zip(half));
    for _ in 0..unit.ilog2() {
        let mut next = Vec::with_capacity(unit);
        for i in 0..half {
            next.push(b.shuffle(rows[i], rows[i + half], low.clone()));
            next.push(b.shuffle(rows[i], rows[i + half], high.clone()));
        }
        rows.copy_from_slice(&next);
    }
}

/// Transposes 2 rows of 2 units or 4 rows of 4.
fn transpose_units(b: &mut KernelBuilder, rows: &[Val], unit: usize) -> Vec<Val> {
    let mut pick = |a: Val, c: Val, units: &[usize]| {
        let lanes = units.iter().flat_map(|&u| (0..unit).map(move |m| (u * unit + m) as u16)).collect();
        b.shuffle(a, c, lanes)
    };
    if let &[a, c] = rows {
        return vec![pick(a, c, &[0, 2]), pick(a, c, &[1, 3])];
    }
    let low: Vec<Val> = rows.chunks(2).map(|p| pick(p[0], p[1], &[0, 1, 4, 5])).collect();
    let high: Vec<Val> = rows.chunks(2).map(|p| pick(p[0], p[1], &[2, 3, 6, 7])).collect();
    [low, high].iter().flat_map(|p| [pick(p[0], p[1], &[0, 2, 4, 6]), pick(p[0], p[1], &[1, 3, 5, 7])]).collect()
}

/// From `k` consecutive vectors of groups of `k` elements, the vector of first elements, that of second ones, ...
pub fn deinterleave(b: &mut KernelBuilder, vectors: &[Val]) -> Vec<Val> {
    let (k, lanes) = (vectors.len(), b.ty(vectors[0]).lanes as usize);
    (0..k).map(|c| pick_elements(b, vectors, |lane| ((lane * k + c) / lanes, (lane * k + c) % lanes))).collect()
}

/// The inverse of [`deinterleave`].
pub fn interleave(b: &mut KernelBuilder, vectors: &[Val]) -> Vec<Val> {
    let (k, lanes) = (vectors.len(), b.ty(vectors[0]).lanes as usize);
    (0..k).map(|v| pick_elements(b, vectors, |lane| ((v * lanes + lane) % k, (v * lanes + lane) / k))).collect()
}

/// The vector whose lanes are (vector, lane) of some vectors.
fn pick_elements(b: &mut KernelBuilder, vectors: &[Val], place: impl Fn(usize) -> (usize, usize)) -> Val {
    let lanes = b.ty(vectors[0]).lanes as usize;
    let mut result = vectors[0];
    for (v, &vector) in vectors.iter().enumerate().skip(1) {
        let pick = (0..lanes).map(|lane| match place(lane) {
            (from, at) if from == v => (lanes + at) as u16,
            (0, at) if v == 1 => at as u16,
            _ => lane as u16,
        });
        result = b.shuffle(result, vector, pick.collect());
    }
    result
}
