//! A transform of a tile: the linear maps of its axes, one axis after the other, vectors over channels.
//!
//! Each pass reads lines of vectors along its axis and writes lines to scratch, which stays in the first-level cache.
//! The last two passes over a small tile are one: of the first of them only those results are formed at a time that share
//! something ([`Group`](crate::linear_map::Group)), and they go through the second in registers.

use crate::linear_map::LinearMap;
use cnnc_ir::kernel::{Buf, KernelBuilder, Role, Val};
use cnnc_tensor::DType;
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

    /// The element index of a vector.
    pub fn at(&self, b: &mut KernelBuilder, coords: &[Val]) -> Val {
        let terms: Vec<(Val, i64)> = coords.iter().copied().zip(self.strides.iter().copied()).collect();
        let offset = b.address(0, &terms);
        b.add(offset, self.base)
    }
}

/// What becomes of a line of results: the coordinates on the other axes (0 on the line's own), and the results.
pub type StoreLine<'a> = dyn FnMut(&mut KernelBuilder, &[Val], &[Val]) + 'a;

/// Most vectors of a plane whose two passes are one, and lanes of a target that has the registers for it. More would be
/// spilled.
const PLANE: (usize, usize) = (49, 16);

/// The transform of a tile: a linear map for each axis.
#[derive(Clone, Debug)]
pub struct Transform<'a> {
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
    /// A transform by the maps of all axes, where `None` leaves an axis as it is, of a tile of `dims` vectors. Declares
    /// the scratch that it needs.
    pub fn declare(
        b: &mut KernelBuilder,
        name: &str,
        maps: impl Iterator<Item = Option<&'a LinearMap>>,
        dims: Vec<usize>,
        lanes: usize,
    ) -> Transform<'a> {
        let maps: Vec<(&LinearMap, usize)> = maps.enumerate().filter_map(|(axis, map)| Some((map?, axis))).collect();
        let plane: usize = maps.iter().rev().take(2).map(|&(_, axis)| dims[axis]).product();
        let last = if plane <= PLANE.0 && lanes >= PLANE.1 { 2.min(maps.len()) } else { 1.min(maps.len()) };
        let elems = if maps.len() > last { dims.iter().product::<usize>() * lanes } else { 0 };
        let between = b.buffer(name, DType::F32, elems, Role::Scratch);
        Transform { maps, dims, lanes, last, between }
    }

    /// Emits the transform of a tile. `store` gets each line along the last axis.
    pub fn emit(&self, b: &mut KernelBuilder, from: &Grid, store: &mut StoreLine) {
        let mut source = from.clone();
        let mut dims = self.dims.clone();
        let (before, last) = self.maps.split_at(self.maps.len() - self.last);
        for &(map, axis) in before {
            let to = Grid::dense(b, self.between, &self.dims, self.lanes);
            let pass = Pass { maps: &[(map, axis)], dims: &dims, lanes: self.lanes };
            pass.emit(b, &source, &mut |b, at, results| {
                let first = to.at(b, at);
                for (k, &value) in results.iter().enumerate() {
                    let index = b.offset(first, k as i64 * to.strides[axis]);
                    b.store(to.buffer, index, value);
                }
            });
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
