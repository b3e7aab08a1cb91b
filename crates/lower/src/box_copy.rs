//! Copies of boxes of elements in logical coordinates, between tensors of any layouts.
//!
//! An operator that moves elements says, for each axis of a box, which axis of the operand and of the result it runs
//! along, from where and by which step. Where that is the channel axis of a blocked tensor, the axis is cut into runs
//! inside one block, and equal runs at equal distances become two strided axes (block, lane): so any operator works in
//! any pair of layouts, channel offsets that are no multiple of the block included.

use crate::strided_copy::{CopyAxis, StridedCopy};
use cnnc_ir::graph::TensorType;
use cnnc_tensor::{Layout, row_major_strides};

/// Position `i` of a box axis is coordinate `start + i * step` along `axis` of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisMap {
    /// Axis of the tensor.
    pub axis: usize,
    /// Coordinate of position 0.
    pub start: i64,
    /// Coordinates between positions.
    pub step: i64,
}

/// A tensor as a box sees it: a map for each axis of the box (`None`: the box axis does not move in the tensor). Axes of
/// the tensor that no map names stay at coordinate 0.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Type of the tensor.
    pub ty: &'a TensorType,
    /// The maps.
    pub maps: Vec<Option<AxisMap>>,
}

/// A copy of a box of elements.
#[derive(Clone, Debug)]
pub struct BoxCopy<'a> {
    /// Extents of the box.
    pub extents: Vec<usize>,
    /// Number of the operand and how it is read; `None`: zeros.
    pub from: Option<(usize, Side<'a>)>,
    /// How the result is written.
    pub to: Side<'a>,
}

/// Part of a box axis: strided axes with their bases.
struct Part {
    from: i64,
    to: i64,
    axes: [CopyAxis; 2],
}

/// Positions `begin..begin + len` of a box axis, in one block on either side.
struct Run {
    begin: usize,
    len: usize,
}

impl<'a> Side<'a> {
    /// Box axis k runs along axis k from coordinate 0.
    pub fn whole(ty: &'a TensorType) -> Side<'a> {
        Side::at(ty, &vec![0; ty.dims.len()])
    }

    /// Box axis k runs along axis k from a coordinate.
    pub fn at(ty: &'a TensorType, starts: &[usize]) -> Side<'a> {
        let map = |(axis, &start): (usize, &usize)| Some(AxisMap { axis, start: start as i64, step: 1 });
        Side { ty, maps: starts.iter().enumerate().map(map).collect() }
    }

    /// Whether a box axis runs along the channels of a blocked tensor.
    fn splits(&self, k: usize) -> bool {
        self.ty.layout != Layout::Plain && self.maps[k].is_some_and(|map| map.axis == 1)
    }

    /// Block and lane of a position along box axis k; zeros where the axis is not split.
    fn block(&self, k: usize, position: usize) -> (i64, i64) {
        match (self.ty.layout, self.maps[k]) {
            (Layout::Blocked(block), Some(map)) if map.axis == 1 => {
                let coordinate = map.start + position as i64 * map.step;
                (coordinate / block as i64, coordinate % block as i64)
            }
            _ => (0, 0),
        }
    }

    /// Element index of a position along box axis k, the other axes at 0.
    fn offset(&self, strides: &[usize], k: usize, position: usize) -> i64 {
        let Some(map) = self.maps[k] else { return 0 };
        if self.splits(k) {
            let (block, lane) = self.block(k, position);
            return block * strides[1] as i64 + lane;
        }
        (map.start + position as i64 * map.step) * strides[map.axis] as i64
    }

    fn strides(&self) -> Vec<usize> {
        row_major_strides(&self.ty.layout.physical_dims(&self.ty.dims))
    }
}

impl BoxCopy<'_> {
    /// The strided copies that together copy the box.
    pub fn strided(&self) -> Vec<StridedCopy> {
        if self.extents.contains(&0) {
            return vec![];
        }
        let operand = self.from.as_ref().map(|(k, _)| *k);
        let mut copies = vec![StridedCopy { operand, from: 0, to: 0, axes: vec![], zeros: 0 }];
        for k in 0..self.extents.len() {
            let parts = self.parts(k);
            copies = copies
                .iter()
                .flat_map(|copy| {
                    parts.iter().map(move |part| StridedCopy {
                        operand,
                        from: copy.from + part.from,
                        to: copy.to + part.to,
                        axes: [copy.axes.as_slice(), part.axes.as_slice()].concat(),
                        zeros: 0,
                    })
                })
                .collect();
        }
        copies
    }

    /// A box axis, cut at the blocks of either side.
    fn parts(&self, k: usize) -> Vec<Part> {
        let from = self.from.as_ref().map(|(_, side)| (side, side.strides()));
        let (to, to_strides) = (&self.to, self.to.strides());
        let place = |i: usize| {
            let read = from.as_ref().map_or(0, |(side, strides)| side.offset(strides, k, i));
            (read, to.offset(&to_strides, k, i))
        };
        let block = |i: usize| (from.as_ref().map_or(0, |(side, _)| side.block(k, i).0), to.block(k, i).0);
        let lane = |i: usize| (from.as_ref().map_or(0, |(side, _)| side.block(k, i).1), to.block(k, i).1);
        let split = to.splits(k) || from.as_ref().is_some_and(|(side, _)| side.splits(k));
        let mut runs = if split { runs(self.extents[k], block) } else { vec![Run { begin: 0, len: self.extents[k] }] };
        let mut parts = vec![];
        while let Some(&Run { begin, len }) = runs.first() {
            // Runs of the same length and lanes that follow at equal distances, maybe with others between them.
            let (mut count, mut last, mut distance) = (0, begin, None);
            runs.retain(|run| {
                let step = (place(run.begin).0 - place(last).0, place(run.begin).1 - place(last).1);
                let alike = run.len == len && lane(run.begin) == lane(begin);
                let fits = count == 0 || alike && distance.is_none_or(|d| d == step);
                if fits {
                    distance = (count > 0).then_some(step);
                    (count, last) = (count + 1, run.begin);
                }
                !fits
            });
            let (first, second) = (place(begin), place(begin + usize::from(len > 1)));
            let (read, write) = distance.unwrap_or((0, 0));
            let outer = CopyAxis { extent: count, from: read, to: write };
            let inner = CopyAxis { extent: len, from: second.0 - first.0, to: second.1 - first.1 };
            parts.push(Part { from: first.0, to: first.1, axes: [outer, inner] });
        }
        parts
    }
}

fn runs(extent: usize, block: impl Fn(usize) -> (i64, i64)) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    for i in 0..extent {
        match runs.last_mut() {
            Some(run) if block(run.begin) == block(i) => run.len += 1,
            _ => runs.push(Run { begin: i, len: 1 }),
        }
    }
    runs
}

/// The copies of a whole result with what zeroes its lanes beyond the last channel, where it has such: part of the copy
/// that writes the last channels, where that is one.
pub fn with_zero_tail(mut copies: Vec<StridedCopy>, ty: &TensorType) -> Vec<StridedCopy> {
    let Layout::Blocked(block) = ty.layout else { return copies };
    let valid = ty.dims[1] % block;
    if valid == 0 {
        return copies;
    }
    let (blocks, pixels) = (ty.dims[1].div_ceil(block), ty.dims[2..].iter().product::<usize>());
    let last_block = ((blocks - 1) * pixels * block) as i64;
    let last = copies.iter_mut().find(|copy| {
        let lanes = copy.axes.iter().find(|a| a.to == 1).map_or(1, |a| a.extent);
        copy.to == last_block && lanes == valid && copy.count() == ty.dims[0] * pixels * valid
    });
    if let Some(copy) = last {
        if copy.axes.iter().all(|a| a.to != 1) {
            copy.axes.push(CopyAxis { extent: 1, from: 1, to: 1 });
        }
        copy.zeros = block - valid;
        return copies;
    }
    let axis = |extent: usize, to: usize| CopyAxis { extent, from: 0, to: to as i64 };
    copies.push(StridedCopy {
        operand: None,
        from: 0,
        to: last_block + valid as i64,
        axes: vec![axis(ty.dims[0], blocks * pixels * block), axis(pixels, block), axis(block - valid, 1)],
        zeros: 0,
    });
    copies
}
