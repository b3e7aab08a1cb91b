//! A transform of a tile: the linear maps of its axes, one axis after the other, vectors over channels.
//!
//! Each pass reads lines of vectors along its axis and writes lines. Between passes they lie in scratch, which stays in
//! the first-level cache; a loop over the other axes keeps the code small.

use crate::linear_map::LinearMap;
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::row_major_strides;

/// Where vectors of a tile lie: element index of the first, and elements from one to the next along each axis.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Buffer.
    pub buffer: Buf,
    /// First vector.
    pub base: Val,
    /// Strides along the axes.
    pub strides: Vec<i64>,
}

impl Grid {
    /// Vectors of `dims` one after the other from the start of a buffer.
    pub fn dense(b: &mut KernelBuilder, buffer: Buf, dims: &[usize], lanes: usize) -> Grid {
        let strides = row_major_strides(dims).iter().map(|&s| (s * lanes) as i64).collect();
        Grid { buffer, base: b.index(0), strides }
    }
}

/// What becomes of a line of results: the coordinates on the other axes (0 on the line's own), and the results.
pub type StoreLine<'a> = dyn FnMut(&mut KernelBuilder, &[Val], &[Val]) + 'a;

/// One pass over a tile: a linear map along an axis, for all vectors of the other axes.
#[derive(Clone, Debug)]
pub struct Pass<'a> {
    /// The map.
    pub map: &'a LinearMap,
    /// Along which axis.
    pub axis: usize,
    /// Extents along the axes before the pass.
    pub dims: Vec<usize>,
    /// Lanes of a vector.
    pub lanes: usize,
}

impl Pass<'_> {
    /// Emits the pass. `store` gets each line.
    pub fn emit(&self, b: &mut KernelBuilder, from: &Grid, store: &mut StoreLine) {
        let mut at = vec![];
        self.lines(b, from, &mut at, store);
    }

    fn lines(&self, b: &mut KernelBuilder, from: &Grid, at: &mut Vec<Val>, store: &mut StoreLine) {
        let axis = at.len();
        if axis == self.dims.len() {
            return self.line(b, from, at, store);
        }
        let extent = if axis == self.axis { 1 } else { self.dims[axis] };
        b.serial(0, extent as i64, |b, k| {
            at.push(k);
            self.lines(b, from, at, store);
            at.pop();
        });
    }

    fn line(&self, b: &mut KernelBuilder, from: &Grid, at: &[Val], store: &mut StoreLine) {
        let terms: Vec<(Val, i64)> = at.iter().copied().zip(from.strides.iter().copied()).collect();
        let first = b.address(0, &terms);
        let first = b.add(first, from.base);
        let operands: Vec<Val> = (0..self.dims[self.axis])
            .map(|k| {
                let index = b.offset(first, k as i64 * from.strides[self.axis]);
                b.load(from.buffer, index, self.lanes as u16)
            })
            .collect();
        let results = self.map.emit(b, &operands, self.lanes as u16);
        store(b, at, &results);
    }

    /// Emits the pass into a grid.
    pub fn emit_into(&self, b: &mut KernelBuilder, from: &Grid, to: &Grid) {
        self.emit(b, from, &mut |b, at, results| {
            let terms: Vec<(Val, i64)> = at.iter().copied().zip(to.strides.iter().copied()).collect();
            let first = b.address(0, &terms);
            let first = b.add(first, to.base);
            for (k, &value) in results.iter().enumerate() {
                let index = b.offset(first, k as i64 * to.strides[self.axis]);
                b.store(to.buffer, index, value);
            }
        });
    }
}
