//! The transform of the input: a tile of the image, `B^T d B`, one vector of channels at a time.
//!
//! Tiles inside the image are read in place. Those that reach into the padding are first copied to scratch, with zeros.

use super::shape::Winograd;
use super::transform::{Grid, Transform};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, row_major_strides};

/// Buffers of the transform.
#[derive(Clone, Debug)]
pub struct InputTransform<'a> {
    winograd: &'a Winograd,
    x: Buf,
    /// Transformed blocks `[block][point][channel block][tile][lanes]`.
    out: Buf,
    /// The tile as read, where it reaches into the padding.
    patch: Buf,
    transform: Transform<'a>,
}

impl<'a> InputTransform<'a> {
    /// Declares the scratch that it needs.
    pub fn declare(b: &mut KernelBuilder, winograd: &'a Winograd, x: Buf, out: Buf) -> InputTransform<'a> {
        let elems = winograd.points() * winograd.lanes;
        let patch = b.buffer("patch", DType::F32, elems, Role::Scratch);
        let maps = winograd.axes.iter().map(|a| (a.points > 1).then_some(&a.forward));
        let transform = Transform::declare(b, "between", maps, winograd.point_dims(), winograd.lanes);
        InputTransform { winograd, x, out, patch, transform }
    }

    /// The tiles `first..first + count` for a block of channels, to a block of the result at element `to`.
    pub fn emit(&self, b: &mut KernelBuilder, channel_block: Val, first: Val, count: Val, to: Val) {
        let winograd = self.winograd;
        let lanes = winograd.lanes as i64;
        let image = (winograd.shape.input_pixels() * winograd.lanes) as i64;
        let mut extents = vec![winograd.shape.images];
        extents.extend(winograd.axes.iter().map(|a| a.tiles));
        let zero = b.index(0);
        b.for_axis(cnnc_ir::kernel::Axis::Serial, zero, count, 1, |b, k| {
            let tile = b.add(first, k);
            let at = b.unflatten(tile, &extents);
            let x = b.address(0, &[(at[0], winograd.channel_blocks() as i64 * image), (channel_block, image)]);
            let starts: Vec<Val> = winograd
                .axes
                .iter()
                .zip(&at[1..])
                .map(|(axis, &at)| b.address(-(axis.pad as i64), &[(at, axis.m as i64)]))
                .collect();
            let column = (winograd.blocking.tiles * winograd.lanes) as i64;
            let to = b.address(0, &[(to, 1), (channel_block, column), (k, lanes)]);
            self.tile(b, x, &starts, to);
        });
    }

    fn tile(&self, b: &mut KernelBuilder, x: Val, starts: &[Val], to: Val) {
        let winograd = self.winograd;
        let strides = self.image_strides();
        let terms: Vec<(Val, i64)> = starts.iter().copied().zip(strides.iter().copied()).collect();
        let base = b.address(0, &terms);
        let base = b.add(base, x);
        let image = Grid { buffer: self.x, base, strides };
        let step = winograd.product().input_stride() as i64;
        let strides = winograd.point_strides().iter().map(|&s| s as i64 * step).collect();
        let points = Grid { buffer: self.out, base: to, strides };
        match self.is_inside(b, starts) {
            None => self.passes(b, &image, &points),
            Some(inside) => b.if_else(
                inside,
                |b| self.passes(b, &image, &points),
                |b| {
                    let dims = winograd.point_dims();
                    let patch = Grid::dense(b, self.patch, &dims, winograd.lanes);
                    self.copy(b, x, starts);
                    self.passes(b, &patch, &points);
                },
            ),
        }
    }

    /// Elements from one pixel to the next along each axis of the image.
    fn image_strides(&self) -> Vec<i64> {
        row_major_strides(&self.winograd.shape.input).iter().map(|&s| (s * self.winograd.lanes) as i64).collect()
    }

    /// Whether a whole tile lies inside the image; `None` where all do.
    fn is_inside(&self, b: &mut KernelBuilder, starts: &[Val]) -> Option<Val> {
        let mut inside: Option<Val> = None;
        for (axis, &start) in self.winograd.axes.iter().zip(starts) {
            let last = (axis.tiles - 1) * axis.m + axis.points;
            let mut conditions = vec![];
            if axis.pad > 0 {
                let zero = b.index(0);
                conditions.push(b.compare(CmpOp::Ge, start, zero));
            }
            if last > axis.input + axis.pad {
                let most = b.index(axis.input as i64 - axis.points as i64);
                conditions.push(b.compare(CmpOp::Le, start, most));
            }
            for condition in conditions {
                inside = Some(inside.map_or(condition, |so_far| b.binary(BinOp::And, so_far, condition)));
            }
        }
        inside
    }

    fn passes(&self, b: &mut KernelBuilder, from: &Grid, to: &Grid) {
        let Some(last) = self.winograd.axes.iter().rposition(|a| a.points > 1) else { return };
        self.transform.emit(b, from, &mut |b, at, results| {
            let first = to.at(b, at);
            for (k, &value) in results.iter().enumerate() {
                let index = b.offset(first, k as i64 * to.strides[last]);
                b.store(to.buffer, index, value);
            }
        });
    }

    /// Copies a tile to the patch, zeros where the image ends.
    fn copy(&self, b: &mut KernelBuilder, x: Val, starts: &[Val]) {
        let zero = b.index(0);
        self.copy_axis(b, 0, (x, zero), starts, None);
    }

    fn copy_axis(&self, b: &mut KernelBuilder, axis: usize, at: (Val, Val), starts: &[Val], exists: Option<Val>) {
        let winograd = self.winograd;
        let lanes = winograd.lanes as u16;
        if axis == starts.len() {
            let zeros = |b: &mut KernelBuilder| {
                let zero = b.f32(0.0, lanes);
                b.store(self.patch, at.1, zero);
            };
            let vector = |b: &mut KernelBuilder| {
                let value = b.load(self.x, at.0, lanes);
                b.store(self.patch, at.1, value);
            };
            return match exists {
                Some(exists) => b.if_else(exists, vector, zeros),
                None => vector(b),
            };
        }
        let extent = winograd.axes[axis].input as i64;
        let (x_stride, to_stride) =
            (self.image_strides()[axis], (winograd.point_strides()[axis] * winograd.lanes) as i64);
        b.serial(0, winograd.axes[axis].points as i64, |b, k| {
            let input = b.add(starts[axis], k);
            let (zero, extent) = (b.index(0), b.index(extent));
            let after = b.compare(CmpOp::Ge, input, zero);
            let before = b.compare(CmpOp::Lt, input, extent);
            let mut inside = b.binary(BinOp::And, after, before);
            if let Some(so_far) = exists {
                inside = b.binary(BinOp::And, so_far, inside);
            }
            let from = b.address(0, &[(at.0, 1), (input, x_stride)]);
            let to = b.address(0, &[(at.1, 1), (k, to_stride)]);
            self.copy_axis(b, axis + 1, (from, to), starts, Some(inside));
        });
    }
}
