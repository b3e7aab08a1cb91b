//! A transform of a tile: the linear maps of its axes, one axis after the other, vectors over channels.
//!
//! Each pass reads lines of vectors along its axis and writes lines to scratch, which stays in the first-level cache.
//! The last two passes over a small tile are one: of the first of them only those results are formed at a time that share
//! something ([`Group`](crate::linear_map::Group)), and they go through the second in registers.

use super::shape::Winograd;
use crate::conv::bilinear::{Grid, Points, StoreLine, TileTransform, Tiling};
use crate::linear_map::LinearMap;
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};

impl TileTransform for Winograd {
    fn between(&self) -> usize {
        let (axes, last) = mapped_axes(&self.tiling);
        if axes.len() > last { self.tiling.size() } else { 0 }
    }

    /// `B^T d B`.
    fn forward(&self, b: &mut KernelBuilder, sizes: &[usize], from: &Grid, between: Buf, to: &Points) {
        let to = to.grid(&self.tiling.sizes());
        let last = self.tiling.line_axis();
        let map = |k: usize| self.forward_map(k, sizes[k]);
        Transform::new(self, sizes.to_vec(), map, between).emit(b, from, &mut |b, at, results| {
            to.store_line(b, at, last, results);
        });
    }

    /// `A^T m A`.
    fn inverse(&self, b: &mut KernelBuilder, from: &Points, between: Buf, store: &mut StoreLine) {
        let from = from.grid(&self.tiling.sizes());
        Transform::new(self, self.tiling.sizes(), |k| &self.axes[k].inverse, between).emit(b, &from, store);
    }
}

/// Most vectors of a plane whose two passes are one, and lanes of a target that has the registers for it. More would be
/// spilled.
const PLANE: (usize, usize) = (49, 16);

/// The axes of more than one element, and how many of them make the last pass.
fn mapped_axes(tiling: &Tiling) -> (Vec<usize>, usize) {
    let axes: Vec<usize> = (0..tiling.axes.len()).filter(|&k| tiling.axes[k].size > 1).collect();
    let plane: usize = axes.iter().rev().take(2).map(|&k| tiling.axes[k].size).product();
    let most = if plane <= PLANE.0 && tiling.lanes >= PLANE.1 { 2 } else { 1 };
    let last = axes.len().min(most);
    (axes, last)
}

/// The transform of a tile: a linear map for each axis.
#[derive(Clone, Debug)]
struct Transform<'a> {
    /// The maps, and along which axes; the last is the one whose lines are stored.
    maps: Vec<(&'a LinearMap, usize)>,
    /// Extents before.
    dims: Vec<usize>,
    lanes: usize,
    /// How many of the maps make the last pass.
    last: usize,
    /// Vectors between passes.
    between: Buf,
}

impl<'a> Transform<'a> {
    /// Of a tile of `dims` by one of the maps of each axis.
    fn new(
        winograd: &'a Winograd,
        dims: Vec<usize>,
        map: impl Fn(usize) -> &'a LinearMap,
        between: Buf,
    ) -> Transform<'a> {
        let (axes, last) = mapped_axes(&winograd.tiling);
        let maps = axes.into_iter().map(|k| (map(k), k)).collect();
        Transform { maps, dims, lanes: winograd.tiling.lanes, last, between }
    }

    /// Emits the transform of a tile. `store` gets each line along the last axis.
    fn emit(&self, b: &mut KernelBuilder, from: &Grid, store: &mut StoreLine) {
        let mut source = from.clone();
        let mut dims = self.dims.clone();
        let (before, last) = self.maps.split_at(self.maps.len() - self.last);
        for &(map, axis) in before {
            let to = Grid::dense(b, self.between, &self.dims, self.lanes);
            let pass = Pass { maps: &[(map, axis)], dims: &dims, lanes: self.lanes };
            pass.emit(b, &source, &mut |b, at, results| to.store_line(b, at, axis, results));
            dims[axis] = map.results();
            source = to;
        }
        Pass { maps: last, dims: &dims, lanes: self.lanes }.emit(b, &source, store);
    }
}

/// One pass over a tile, along one axis or two, for all vectors of the other axes.
#[derive(Clone, Debug)]
struct Pass<'a> {
    /// The maps and their axes.
    maps: &'a [(&'a LinearMap, usize)],
    /// Extents along the axes before the pass.
    dims: &'a [usize],
    lanes: usize,
}

impl Pass<'_> {
    fn emit(&self, b: &mut KernelBuilder, from: &Grid, store: &mut StoreLine) {
        self.others(b, from, &mut vec![], store);
    }

    fn others(&self, b: &mut KernelBuilder, from: &Grid, at: &mut Vec<Val>, store: &mut StoreLine) {
        let axis = at.len();
        if axis == self.dims.len() {
            return match *self.maps {
                [only] => self.line(b, from, at, only, store),
                [first, second] => self.plane(b, from, at, [first, second], store),
                _ => {}
            };
        }
        let extent = if self.maps.iter().any(|(_, own)| *own == axis) { 1 } else { self.dims[axis] };
        b.serial(0, extent as i64, |b, k| {
            at.push(k);
            self.others(b, from, at, store);
            at.pop();
        });
    }

    fn line(
        &self,
        b: &mut KernelBuilder,
        from: &Grid,
        at: &[Val],
        (map, axis): (&LinearMap, usize),
        store: &mut StoreLine,
    ) {
        let start = from.at(b, at);
        let operands: Vec<Val> = (0..self.dims[axis])
            .map(|k| {
                let index = b.offset(start, k as i64 * from.strides[axis]);
                b.load(from.buffer, index, self.lanes as u16)
            })
            .collect();
        let results = map.emit(b, &operands, self.lanes as u16);
        store(b, at, &results);
    }

    /// Both maps: results of the first that share something are formed for all lines, then mapped in registers.
    fn plane(
        &self,
        b: &mut KernelBuilder,
        from: &Grid,
        at: &[Val],
        [(first, rows), (second, columns)]: [(&LinearMap, usize); 2],
        store: &mut StoreLine,
    ) {
        let lanes = self.lanes as u16;
        let start = from.at(b, at);
        for group in first.groups() {
            let mut lines: Vec<Vec<Val>> = vec![vec![]; group.results.len()];
            for j in 0..self.dims[columns] {
                let mut operands = vec![None; self.dims[rows]];
                for &k in &group.operands {
                    let index = b.offset(start, k as i64 * from.strides[rows] + j as i64 * from.strides[columns]);
                    operands[k] = Some(b.load(from.buffer, index, lanes));
                }
                let results = first.emit_some(b, &operands, &group.results, lanes);
                lines.iter_mut().zip(results).for_each(|(line, value)| line.push(value));
            }
            for (&row, line) in group.results.iter().zip(&lines) {
                let results = second.emit(b, line, lanes);
                let mut at = at.to_vec();
                at[rows] = b.index(row as i64);
                store(b, &at, &results);
            }
        }
    }
}
