//! The transform of the input: the tiles of a block, one vector of channels and one phase of the window at a time.
//!
//! Tiles inside the image are read in place. Those that reach into the padding are first copied to scratch, with zeros.

use super::{Bilinear, Grid, Points};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, row_major_strides};

/// Buffers of the transform.
#[derive(Clone, Copy)]
pub struct InputTransform<'a> {
    bilinear: &'a Bilinear<'a>,
    x: Buf,
    /// Transformed blocks `[block][point][phase][channel block][tile][lanes]`.
    out: Buf,
    /// The tile as read, where it reaches into the padding.
    patch: Buf,
    /// The tile between two passes.
    between: Buf,
}

/// The inputs of a tile for one phase of the window.
#[derive(Clone)]
struct PhaseTile {
    /// How many there are along each axis.
    sizes: Vec<usize>,
    /// The pixel of the first one along each axis, negative in the padding.
    starts: Vec<Val>,
    /// Number of the phase.
    phase: Val,
}

impl<'a> InputTransform<'a> {
    /// Declares the scratch that it needs.
    pub fn declare(b: &mut KernelBuilder, bilinear: &'a Bilinear<'a>, x: Buf, out: Buf) -> InputTransform<'a> {
        let (tiling, between) = (bilinear.tiling, bilinear.transform.between());
        let patch = b.buffer("patch", DType::F32, tiling.size() * tiling.lanes, Role::Scratch);
        let between = b.buffer("between", DType::F32, between * tiling.lanes, Role::Scratch);
        InputTransform { bilinear, x, out, patch, between }
    }

    /// The tiles `first..first + count` for a block of channels, to a block of the result at element `to`.
    pub fn emit(&self, b: &mut KernelBuilder, channel_block: Val, first: Val, count: Val, to: Val) {
        let tiling = self.bilinear.tiling;
        let lanes = tiling.lanes as i64;
        let image = (tiling.shape.input_pixels() * tiling.lanes) as i64;
        let extents = tiling.tile_extents();
        let zero = b.index(0);
        b.for_axis(cnnc_ir::kernel::Axis::Serial, zero, count, 1, |b, k| {
            let tile = b.add(first, k);
            let at = b.unflatten(tile, &extents);
            let x = b.address(0, &[(at[0], tiling.channel_blocks() as i64 * image), (channel_block, image)]);
            let starts: Vec<Val> = tiling
                .axes
                .iter()
                .zip(&at[1..])
                .map(|(axis, &at)| b.address(-(axis.pad as i64), &[(at, (axis.m * axis.stride) as i64)]))
                .collect();
            let column = (tiling.blocking.tiles * tiling.lanes) as i64;
            let to = b.address(0, &[(to, 1), (channel_block, column), (k, lanes)]);
            let zero = b.index(0);
            let phase = PhaseTile { sizes: vec![], starts: vec![], phase: zero };
            self.phases(b, &starts, phase, &mut |b, tile| {
                let phases = tiling.channel_blocks() as i64 * column;
                let to = b.address(0, &[(to, 1), (tile.phase, phases)]);
                self.tile(b, x, tile, to);
            });
        });
    }

    /// Loops over the phases along the axes that are left. `starts` is where the tile begins in the image.
    fn phases(
        &self,
        b: &mut KernelBuilder,
        starts: &[Val],
        so_far: PhaseTile,
        act: &mut dyn FnMut(&mut KernelBuilder, &PhaseTile),
    ) {
        let axes = &self.bilinear.tiling.axes;
        let done = so_far.sizes.len();
        let Some(axis) = axes.get(done) else { return act(b, &so_far) };
        for (range, size) in axis.kinds() {
            b.serial(range.start as i64, range.end as i64, |b, phase| {
                let mut tile = so_far.clone();
                tile.sizes.push(size);
                tile.starts.push(b.add(starts[done], phase));
                tile.phase = b.address(0, &[(tile.phase, axis.phases.count as i64), (phase, 1)]);
                self.phases(b, starts, tile, act);
            });
        }
    }

    fn tile(&self, b: &mut KernelBuilder, x: Val, tile: &PhaseTile, to: Val) {
        let tiling = self.bilinear.tiling;
        let image_strides = self.image_strides();
        let terms: Vec<(Val, i64)> = tile.starts.iter().copied().zip(image_strides.iter().copied()).collect();
        let base = b.address(0, &terms);
        let base = b.add(base, x);
        let strides = image_strides.iter().zip(&tiling.axes).map(|(s, axis)| s * axis.stride as i64).collect();
        let image = Grid { buffer: self.x, base, strides };
        let points = Points { buffer: self.out, base: to, stride: tiling.product().input_stride() as i64 };
        let transform = |b: &mut KernelBuilder, from: &Grid| {
            self.bilinear.transform.forward(b, &tile.sizes, from, self.between, &points);
        };
        match self.is_inside(b, tile) {
            None => transform(b, &image),
            Some(inside) => b.if_else(
                inside,
                |b| transform(b, &image),
                |b| {
                    let patch = Grid::dense(b, self.patch, &tiling.sizes(), tiling.lanes);
                    self.copy(b, x, tile);
                    transform(b, &patch);
                },
            ),
        }
    }

    /// Elements from one pixel to the next along each axis of the image.
    fn image_strides(&self) -> Vec<i64> {
        row_major_strides(&self.bilinear.tiling.shape.input)
            .iter()
            .map(|&s| (s * self.bilinear.tiling.lanes) as i64)
            .collect()
    }

    /// Whether a whole tile lies inside the image; `None` where all do.
    fn is_inside(&self, b: &mut KernelBuilder, tile: &PhaseTile) -> Option<Val> {
        let mut inside: Option<Val> = None;
        for ((axis, &start), &size) in self.bilinear.tiling.axes.iter().zip(&tile.starts).zip(&tile.sizes) {
            // Pixels from the first input of a tile to behind its last.
            let extent = (size - 1) * axis.stride + 1;
            let last = (axis.tiles - 1) * axis.m * axis.stride + axis.phases.count - 1 + extent;
            let mut conditions = vec![];
            if axis.pad > 0 {
                let zero = b.index(0);
                conditions.push(b.compare(CmpOp::Ge, start, zero));
            }
            if last > axis.input + axis.pad {
                let most = b.index(axis.input as i64 - extent as i64);
                conditions.push(b.compare(CmpOp::Le, start, most));
            }
            for condition in conditions {
                inside = Some(inside.map_or(condition, |so_far| b.binary(BinOp::And, so_far, condition)));
            }
        }
        inside
    }

    /// Copies a tile to the patch, zeros where the image ends.
    fn copy(&self, b: &mut KernelBuilder, x: Val, tile: &PhaseTile) {
        let zero = b.index(0);
        self.copy_axis(b, 0, (x, zero), tile, None);
    }

    fn copy_axis(&self, b: &mut KernelBuilder, axis: usize, at: (Val, Val), tile: &PhaseTile, exists: Option<Val>) {
        let tiling = self.bilinear.tiling;
        let lanes = tiling.lanes as u16;
        if axis == tile.starts.len() {
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
        let extent = tiling.axes[axis].input as i64;
        let (x_stride, to_stride) =
            (self.image_strides()[axis], (row_major_strides(&tiling.sizes())[axis] * tiling.lanes) as i64);
        b.serial(0, tile.sizes[axis] as i64, |b, k| {
            let input = b.address(0, &[(tile.starts[axis], 1), (k, tiling.axes[axis].stride as i64)]);
            let inside = b.within(input, extent, exists);
            let from = b.address(0, &[(at.0, 1), (input, x_stride)]);
            let to = b.address(0, &[(at.1, 1), (k, to_stride)]);
            self.copy_axis(b, axis + 1, (from, to), tile, Some(inside));
        });
    }
}
