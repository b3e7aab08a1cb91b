//! Strided copies: the one loop nest behind every operator that moves elements by an affine rule.
//!
//! A [`StridedCopy`] reads element `from + sum(i * axis.from)` and writes element `to + sum(i * axis.to)` for every index
//! of its axes. Axes are first sorted by where they write and merged where both sides allow it; then the innermost loop
//! is picked by which axes are contiguous: whole rows by vectors, square tiles transposed in registers, interleaved
//! groups, or one element at a time. Ends that are no whole vector or tile overlap the one before: no masks, and no
//! write outside what is to be copied.

use crate::row_copy::power_of_two_below;

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
    /// Zeros written behind each run of the axis that has `to` 1 (the tail lanes of a block).
    pub zeros: usize,
}

/// A loop around the innermost one. With `step > 1` it goes over tiles, the last of which may overlap the one before.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// What it runs along.
    pub axis: CopyAxis,
    /// Elements of the axis that an iteration works on.
    pub step: usize,
}

/// What stands inside the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
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
    /// A `tile x tile` transpose: vectors stand `from` apart in the operand and `to` apart in the result. Only `loaded`
    /// vectors are loaded, the others are zeros; only `stored` ones are stored.
    Tile { tile: usize, from: i64, to: i64, loaded: usize, stored: usize },
    /// `k` vectors, `from` apart in the operand, to groups of `k`.
    Interleave { k: usize, lanes: usize, from: i64 },
    /// Groups of `k` to `k` vectors, `to` apart in the result.
    Deinterleave { k: usize, lanes: usize, to: i64 },
}

/// What a vector must fit: the element's size in bytes, the lanes of a native vector, and the elements of the operand.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Bytes.
    pub size: usize,
    /// Lanes.
    pub width: usize,
    /// Elements.
    pub operand: usize,
}

impl Fit {
    /// Lanes of 128 bits: the smallest vector worth a shuffle.
    fn narrow(&self) -> usize {
        16 / self.size
    }
}

/// Elements in the largest tile's side.
const LARGEST_TILE: usize = 16;
/// Elements that one iteration of the parallel loop should move.
const CHUNK_ELEMENTS: usize = 4096;
/// A longer row is cut in such pieces, so that several threads share it.
const LONGEST_ROW: usize = 4096;

/// A copy with its loops.
#[derive(Debug)]
pub struct Nest {
    /// The copy, its axes merged.
    pub copy: StridedCopy,
    /// The loops, outermost first.
    pub loops: Vec<Loop>,
    /// How many of the loops are part of the parallel one.
    pub parallel: usize,
    /// What stands inside.
    pub core: Core,
}

impl Loop {
    fn each(axis: CopyAxis) -> Loop {
        Loop { axis, step: 1 }
    }

    /// Iterations.
    pub fn count(&self) -> usize {
        self.axis.extent.div_ceil(self.step)
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
        let counts = |a: &&CopyAxis| a.extent > 1 || self.zeros > 0 && a.to == 1;
        let mut axes: Vec<CopyAxis> = self.axes.iter().filter(counts).copied().collect();
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

    /// The loops that do it.
    pub fn nests(&self, fit: Fit) -> Vec<Nest> {
        let Some(copy) = self.normalized() else { return vec![] };
        if copy.zeros == 0 {
            let (core, loops) = copy.core(fit);
            return vec![Nest::new(copy, core, loops)];
        }
        if let Some((core, loops)) = copy.tile_with_zeros(fit) {
            return vec![Nest::new(copy, core, loops)];
        }
        let run = self.axes.iter().position(|a| a.to == 1);
        let mut fill = StridedCopy { operand: None, zeros: 0, ..self.clone() };
        if let Some(run) = run {
            fill.to += fill.axes[run].extent as i64;
            fill.axes[run].extent = self.zeros;
        }
        let copy = StridedCopy { zeros: 0, ..self.clone() };
        [copy.nests(fit), fill.nests(fit)].into_iter().flatten().collect()
    }

    fn loops_without(&self, without: &[usize]) -> Vec<Loop> {
        let kept = self.axes.iter().enumerate().filter(|(k, _)| !without.contains(k));
        kept.map(|(_, &axis)| Loop::each(axis)).collect()
    }

    fn core(&self, fit: Fit) -> (Core, Vec<Loop>) {
        let element = if self.operand.is_some() { Core::Element } else { Core::Zeros(1) };
        let Some(last) = self.axes.len().checked_sub(1) else { return (element, vec![]) };
        let row = self.axes[last];
        if row.to != 1 {
            return (element, self.loops_without(&[]));
        }
        if row.from == 1 || self.operand.is_none() {
            let core = if self.operand.is_some() { Core::Row } else { Core::Zeros };
            return long_row(row, self.loops_without(&[last]), core);
        }
        if let Some(found) = self.axes.iter().position(|a| a.from == 1).and_then(|other| self.across(last, other, fit))
        {
            return found;
        }
        if row.from == 0 {
            return long_row(row, self.loops_without(&[last]), Core::Splat);
        }
        let lanes = power_of_two_below(row.extent.min(fit.width));
        if matches!(row.from, 2 | -1) && lanes >= fit.narrow() {
            let mut outer = self.loops_without(&[last]);
            outer.push(Loop { axis: row, step: lanes });
            return (Core::Stride(row.from, lanes), outer);
        }
        (element, self.loops_without(&[]))
    }

    /// Cores for an operand that is contiguous along another axis (`other`) than the result (`last`).
    fn across(&self, last: usize, other: usize, fit: Fit) -> Option<(Core, Vec<Loop>)> {
        let (row, column, narrow) = (self.axes[last], self.axes[other], fit.narrow());
        let lanes = power_of_two_below(row.extent.min(fit.width));
        let column_lanes = power_of_two_below(column.extent.min(fit.width));
        let mut loops = self.loops_without(&[last, other]);
        if row.extent <= 4 && column.to == row.extent as i64 && column_lanes >= narrow {
            loops.push(Loop { axis: column, step: column_lanes });
            return Some((Core::Interleave { k: row.extent, lanes: column_lanes, from: row.from }, loops));
        }
        if column.extent <= 4 && row.from == column.extent as i64 && lanes >= narrow {
            loops.push(Loop { axis: row, step: lanes });
            return Some((Core::Deinterleave { k: column.extent, lanes, to: column.to }, loops));
        }
        if row.from == 0 || lanes < narrow {
            return None;
        }
        let (from, to) = (row.from, column.to);
        if column_lanes >= narrow {
            let tile = lanes.min(column_lanes).min(LARGEST_TILE);
            loops.extend([Loop { axis: column, step: tile }, Loop { axis: row, step: tile }]);
            return Some((Core::Tile { tile, from, to, loaded: tile, stored: tile }, loops));
        }
        // A few columns: whole vectors are loaded where they lie inside the operand, and some of the results dropped.
        let beyond = (narrow - column.extent) as i64;
        let last_read: i64 = self.from + self.axes.iter().map(|a| (a.extent as i64 - 1) * a.from.max(0)).sum::<i64>();
        if 2 * column.extent < narrow || last_read + beyond >= fit.operand as i64 {
            return None;
        }
        loops.push(Loop { axis: row, step: narrow });
        Some((Core::Tile { tile: narrow, from, to, loaded: narrow, stored: column.extent }, loops))
    }

    /// A tile whose last vectors are zeros: a row and the zeros behind it are one vector of the result.
    fn tile_with_zeros(&self, fit: Fit) -> Option<(Core, Vec<Loop>)> {
        let last = self.axes.len().checked_sub(1)?;
        let other = self.axes[..last].iter().position(|a| a.from == 1)?;
        let (row, column) = (self.axes[last], self.axes[other]);
        let tile = row.extent + self.zeros;
        let fits = tile.is_power_of_two() && (fit.narrow()..=fit.width.min(LARGEST_TILE)).contains(&tile);
        if row.to != 1 || row.from == 0 || !fits || column.extent < tile {
            return None;
        }
        let mut loops = self.loops_without(&[last, other]);
        loops.push(Loop { axis: column, step: tile });
        Some((Core::Tile { tile, from: row.from, to: column.to, loaded: row.extent, stored: tile }, loops))
    }
}

impl Nest {
    fn new(copy: StridedCopy, core: Core, mut loops: Vec<Loop>) -> Nest {
        let mut inner = core.elements() * loops.iter().map(Loop::count).product::<usize>();
        let mut parallel = 0;
        while parallel < loops.len() && inner > CHUNK_ELEMENTS {
            let Loop { axis, step } = loops[parallel];
            inner /= loops[parallel].count();
            let group = step * (CHUNK_ELEMENTS / inner.max(1)).max(1);
            if group > step && group < axis.extent {
                // Only part of this loop's iterations make up a chunk.
                loops[parallel].step = group;
                loops.insert(parallel + 1, Loop { axis: CopyAxis { extent: group, ..axis }, step });
            }
            parallel += 1;
            if group > step {
                break;
            }
        }
        Nest { copy, loops, parallel, core }
    }

    /// Iterations of the parallel loop.
    pub fn extent(&self) -> usize {
        self.loops[..self.parallel].iter().map(Loop::count).product()
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
    pub fn elements(self) -> usize {
        match self {
            Core::Row(n) | Core::Splat(n) | Core::Zeros(n) | Core::Stride(_, n) => n,
            Core::Element => 1,
            Core::Tile { tile, stored, .. } => tile * stored,
            Core::Interleave { k, lanes, .. } | Core::Deinterleave { k, lanes, .. } => k * lanes,
        }
    }
}
