//! The loop nest of operators that combine elements along some axes of a plain tensor: reductions, softmax,
//! normalisations.
//!
//! The sites of the combination are spread over threads. Where the last axis is combined, a site is one position of the
//! other axes and vectors run along the last axis; else a site is a vector of neighbours along the last axis, each lane
//! combined on its own. A pass walks a site's elements with several independent accumulators. The order of combination
//! comes from the shape and the lanes alone.

use crate::expression::working_type;
use crate::rows::parallel_points;
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, KernelBuilder, Ty, Val, Var};
use cnnc_tensor::{DType, Scalar, row_major_strides};

/// The axes of a tensor and which of them are combined.
#[derive(Clone, Debug)]
pub struct Reduction {
    dims: Vec<usize>,
    combined: Vec<bool>,
    strides: Vec<i64>,
    /// Lanes of every vector.
    pub lanes: u16,
}

/// A place where elements are combined.
#[derive(Clone, Debug)]
pub struct Site {
    coords: Vec<Val>,
    /// Number of the site's first lane among all sites, counted row by row.
    pub number: Val,
}

/// A vector of elements of a site.
#[derive(Clone, Debug)]
pub struct Element {
    /// Which accumulator it belongs to.
    pub slot: usize,
    /// Coordinates of lane 0.
    pub coords: Vec<Val>,
    /// Element index of lane 0.
    pub flat: Val,
    /// Lanes.
    pub lanes: u16,
    /// How many lanes are valid, if not all.
    pub count: Option<Val>,
}

impl Reduction {
    /// Axes `dims`, those `combined`, by vectors of at most `native` lanes. No dim is 0.
    pub fn new(dims: Vec<usize>, combined: Vec<bool>, native: usize) -> Reduction {
        let strides = row_major_strides(&dims).iter().map(|&s| s as i64).collect();
        let (last, along) = match (dims.last(), combined.last()) {
            (Some(&last), Some(&along)) => (last, along),
            _ => (1, true),
        };
        let lanes = if along { native.min(last.next_power_of_two()) } else { native.min(1 << last.max(1).ilog2()) };
        Reduction { dims, combined, strides, lanes: lanes as u16 }
    }

    /// Whether a site is a vector, each lane combined on its own; else one position.
    pub fn across(&self) -> bool {
        self.combined.last() == Some(&false)
    }

    /// Whether sites overlap: their results must not be in place.
    pub fn overlaps(&self) -> bool {
        self.across() && !self.last().is_multiple_of(self.lanes())
    }

    /// Lanes of a site: all, or one.
    pub fn site_lanes(&self) -> u16 {
        if self.across() { self.lanes } else { 1 }
    }

    /// Elements combined at one site, for each of its lanes.
    pub fn combined_count(&self) -> usize {
        self.dims.iter().zip(&self.combined).filter(|(_, c)| **c).map(|(d, _)| d).product()
    }

    /// Accumulators of a pass: enough to hide the latency of an addition.
    pub fn slots(&self) -> usize {
        let items = match self.combined.iter().rposition(|&c| c) {
            Some(axis) if axis + 1 == self.dims.len() => self.last() / self.lanes(),
            Some(axis) => self.dims[axis],
            None => 1,
        };
        match items {
            0..4 => 1,
            4..8 => 2,
            _ => 4,
        }
    }

    fn last(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    fn lanes(&self) -> usize {
        usize::from(self.lanes)
    }

    /// The parallel loop over the sites.
    pub fn parallel(&self, b: &mut KernelBuilder, mut body: impl FnMut(&mut KernelBuilder, &Site)) {
        let kept: Vec<usize> = (0..self.dims.len()).filter(|&axis| !self.combined[axis]).collect();
        let mut extents: Vec<usize> = kept.iter().map(|&axis| self.dims[axis]).collect();
        let mut numbers: Vec<i64> = row_major_strides(&extents).iter().map(|&s| s as i64).collect();
        let unit = self.combined_count() * usize::from(self.site_lanes());
        if self.across()
            && let (Some(last), Some(number)) = (extents.last_mut(), numbers.last_mut())
        {
            *last = last.div_ceil(self.lanes());
            *number = 1;
        }
        parallel_points(b, &extents, unit, |b, point| {
            let mut point = point.to_vec();
            if self.across()
                && let Some(last) = point.last_mut()
            {
                *last = b.scale(*last, i64::from(self.lanes));
                if self.overlaps() {
                    let end = b.index((self.last() - self.lanes()) as i64);
                    *last = b.binary(BinOp::Min, *last, end);
                }
            }
            let terms: Vec<(Val, i64)> = point.iter().copied().zip(numbers.iter().copied()).collect();
            let number = b.address(0, &terms);
            let mut coords = vec![b.index(0); self.dims.len()];
            kept.iter().zip(point).for_each(|(&axis, coord)| coords[axis] = coord);
            body(b, &Site { coords, number });
        });
    }

    /// Walks the elements of a site: `slots` of them at a time, then the rest with slot 0.
    pub fn pass(
        &self,
        b: &mut KernelBuilder,
        site: &Site,
        slots: usize,
        mut body: impl FnMut(&mut KernelBuilder, &Element),
    ) {
        let axes: Vec<usize> = (0..self.dims.len()).filter(|&axis| self.combined[axis]).collect();
        let mut coords = site.coords.clone();
        let Some((&inner, outer)) = axes.split_last() else {
            return self.item(b, &coords, 0, None, &mut body);
        };
        let step = if self.across() { 1 } else { self.lanes() };
        self.walk(b, outer, &mut coords, &mut |b, coords| {
            let items = self.dims[inner] / step;
            let together = if items >= slots { items - items % slots } else { 0 };
            let visit =
                |b: &mut KernelBuilder, body: &mut dyn FnMut(&mut KernelBuilder, &Element), at: Val, slot, count| {
                    let mut coords = coords.to_vec();
                    coords[inner] = b.scale(at, step as i64);
                    self.item(b, &coords, slot, count, body);
                };
            if together > 0 {
                let (begin, end) = (b.index(0), b.index(together as i64));
                let mut group = |b: &mut KernelBuilder, at: Val| {
                    for slot in 0..slots {
                        let at = b.offset(at, slot as i64);
                        visit(b, &mut body, at, slot, None);
                    }
                };
                match together == slots {
                    true => group(b, begin),
                    false => b.for_axis(Axis::Serial, begin, end, slots as i64, group),
                }
            }
            if items > together {
                b.serial(together as i64, items as i64, |b, at| visit(b, &mut body, at, 0, None));
            }
            let rest = self.dims[inner] % step;
            if rest > 0 {
                let (at, count) = (b.index(items as i64), b.index(rest as i64));
                visit(b, &mut body, at, 0, Some(count));
            }
        });
    }

    fn item(
        &self,
        b: &mut KernelBuilder,
        coords: &[Val],
        slot: usize,
        count: Option<Val>,
        body: &mut dyn FnMut(&mut KernelBuilder, &Element),
    ) {
        let terms: Vec<(Val, i64)> = coords.iter().copied().zip(self.strides.iter().copied()).collect();
        let flat = b.address(0, &terms);
        body(b, &Element { slot, coords: coords.to_vec(), flat, lanes: self.lanes, count });
    }

    fn walk(
        &self,
        b: &mut KernelBuilder,
        axes: &[usize],
        coords: &mut Vec<Val>,
        body: &mut dyn FnMut(&mut KernelBuilder, &[Val]),
    ) {
        let Some((&axis, rest)) = axes.split_first() else { return body(b, coords) };
        b.serial(0, self.dims[axis] as i64, |b, index| {
            coords[axis] = index;
            self.walk(b, rest, coords, body);
        });
    }

    /// A value of all lanes of a site's vectors combined: one lane, unless each lane is a site.
    pub fn fold(&self, b: &mut KernelBuilder, op: BinOp, value: Val) -> Val {
        if self.across() { value } else { b.fold(op, value) }
    }

    /// A site's value in every lane of its vectors.
    pub fn spread(&self, b: &mut KernelBuilder, value: Val) -> Val {
        if self.across() { value } else { b.splat(value, self.lanes) }
    }
}

impl Element {
    /// Loads the element in the type that it is computed in.
    pub fn load(&self, b: &mut KernelBuilder, buffer: Buf) -> Val {
        let value = match self.count {
            Some(count) => b.load_count(buffer, self.flat, self.lanes, count),
            None => b.load(buffer, self.flat, self.lanes),
        };
        let dtype = working_type(b.dtype(buffer));
        b.convert(value, dtype)
    }

    /// Stores the element, converted to the buffer's type.
    pub fn store(&self, b: &mut KernelBuilder, buffer: Buf, value: Val) {
        let dtype = b.dtype(buffer);
        let value = b.convert(value, dtype);
        match self.count {
            Some(count) => b.store_count(buffer, self.flat, value, count),
            None => b.store(buffer, self.flat, value),
        }
    }

    /// The value in valid lanes, a neutral one in the others.
    pub fn valid(&self, b: &mut KernelBuilder, value: Val, neutral: Scalar) -> Val {
        let Some(count) = self.count else { return value };
        let dtype = if b.ty(value).dtype.size() == 8 { DType::I64 } else { DType::I32 };
        let begin = b.constant(Scalar::from_i64(dtype, 0), 1);
        let lane = b.lanes(begin, self.lanes);
        let count = b.convert(count, dtype);
        let count = b.splat(count, self.lanes);
        let inside = b.compare(CmpOp::Lt, lane, count);
        let neutral = b.constant(neutral, self.lanes);
        b.select(inside, value, neutral)
    }
}

/// What a pass accumulates, one variable a slot.
#[derive(Clone, Debug)]
pub struct Accumulators(Vec<Var>);

impl Accumulators {
    /// Variables that start with a value.
    pub fn new(b: &mut KernelBuilder, slots: usize, lanes: u16, start: Scalar) -> Accumulators {
        let start_value = b.constant(start, lanes);
        let ty = Ty::vector(start.dtype(), lanes);
        let vars: Vec<Var> = (0..slots).map(|_| b.var(ty)).collect();
        vars.iter().for_each(|&var| b.set(var, start_value));
        Accumulators(vars)
    }

    /// Combines a value into a slot.
    pub fn add(
        &self,
        b: &mut KernelBuilder,
        slot: usize,
        value: Val,
        combine: impl Fn(&mut KernelBuilder, Val, Val) -> Val,
    ) {
        let now = b.get(self.0[slot]);
        let next = combine(b, now, value);
        b.set(self.0[slot], next);
    }

    /// All slots combined, pair by pair.
    pub fn total(&self, b: &mut KernelBuilder, combine: impl Fn(&mut KernelBuilder, Val, Val) -> Val) -> Val {
        let mut values: Vec<Val> = self.0.iter().map(|&var| b.get(var)).collect();
        while values.len() > 1 {
            values = values.chunks(2).map(|pair| if let [x, y] = *pair { combine(b, x, y) } else { pair[0] }).collect();
        }
        values[0]
    }
}
