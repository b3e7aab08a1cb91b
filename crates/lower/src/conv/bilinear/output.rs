//! The transform of the products to the result, then the tail, one vector of output channels at a time.

use super::{Bilinear, Points};
use crate::operand::Position;
use crate::tail::Tail;
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, row_major_strides};

/// Buffers of the transform.
#[derive(Clone, Copy)]
pub struct OutputTransform<'a> {
    bilinear: &'a Bilinear<'a>,
    tail: &'a Tail,
    /// Products `[point][tile][nv * lanes]`.
    products: Buf,
    out: Buf,
    /// The tile between two passes.
    between: Buf,
}

impl<'a> OutputTransform<'a> {
    /// Declares the scratch that it needs.
    pub fn declare(
        b: &mut KernelBuilder,
        bilinear: &'a Bilinear<'a>,
        tail: &'a Tail,
        products: Buf,
        out: Buf,
    ) -> OutputTransform<'a> {
        let between = b.buffer("half", DType::F32, bilinear.transform.between() * bilinear.tiling.lanes, Role::Scratch);
        OutputTransform { bilinear, tail, products, out, between }
    }

    /// The tiles `first..first + count` of a bundle of which `vectors` are there.
    pub fn emit(&self, b: &mut KernelBuilder, bundle: Val, vectors: usize, first: Val, count: Val) {
        let tiling = self.bilinear.tiling;
        let (lanes, nv) = (tiling.lanes as i64, tiling.blocking.nv as i64);
        let extents = tiling.tile_extents();
        b.serial(0, vectors as i64, |b, j| {
            let vector = b.address(0, &[(bundle, nv), (j, 1)]);
            let zero = b.index(0);
            b.for_axis(Axis::Serial, zero, count, 1, |b, k| {
                let tile = b.add(first, k);
                let at = b.unflatten(tile, &extents);
                let base = b.address(0, &[(k, nv * lanes), (j, lanes)]);
                self.tile(b, base, &at, vector);
            });
        });
    }

    fn tile(&self, b: &mut KernelBuilder, base: Val, at: &[Val], vector: Val) {
        let tiling = self.bilinear.tiling;
        let source = Points { buffer: self.products, base, stride: tiling.product().product_stride() as i64 };
        let last = tiling.line_axis();
        let firsts: Vec<Val> = tiling.axes.iter().zip(&at[1..]).map(|(a, &t)| b.scale(t, a.m as i64)).collect();
        let channel = b.scale(vector, tiling.lanes as i64);
        self.bilinear.transform.inverse(b, &source, self.between, &mut |b, line, results| {
            let mut coords = vec![at[0], channel];
            coords.extend(firsts.iter().zip(line).map(|(&first, &k)| b.add(first, k)));
            let inside = self.line_exists(b, last, &coords);
            let store = |b: &mut KernelBuilder| self.line(b, last, vector, &coords, results);
            match inside {
                Some(inside) => b.if_(inside, store),
                None => store(b),
            }
        });
    }

    /// Whether the other coordinates of a line lie in the result; `None` where they always do.
    fn line_exists(&self, b: &mut KernelBuilder, along: usize, coords: &[Val]) -> Option<Val> {
        let mut exists: Option<Val> = None;
        for (k, axis) in self.bilinear.tiling.axes.iter().enumerate() {
            if k == along || axis.output.is_multiple_of(axis.m) {
                continue;
            }
            let extent = b.index(axis.output as i64);
            let inside = b.compare(CmpOp::Lt, coords[2 + k], extent);
            exists = Some(exists.map_or(inside, |so_far| b.binary(BinOp::And, so_far, inside)));
        }
        exists
    }

    /// A line of results, its tail and its stores; those beyond the image are left out.
    fn line(&self, b: &mut KernelBuilder, along: usize, vector: Val, coords: &[Val], results: &[Val]) {
        let tiling = self.bilinear.tiling;
        let lanes = tiling.lanes as i64;
        let size = tiling.shape.pixels() as i64 * lanes;
        let axis = &tiling.axes[along];
        let mut terms = vec![(coords[0], tiling.vectors() as i64 * size), (vector, size)];
        let strides = row_major_strides(&tiling.shape.output);
        terms.extend(coords[2..].iter().zip(&strides).map(|(&at, &stride)| (at, stride as i64 * lanes)));
        let first = b.address(0, &terms);
        let step = strides[along] as i64 * lanes;
        let mut fixed = None;
        for (k, &value) in results.iter().enumerate() {
            let mut coords = coords.to_vec();
            coords[2 + along] = b.offset(coords[2 + along], k as i64);
            let flat = b.offset(first, k as i64 * step);
            let at = Position { coords: &coords, flat, lanes: tiling.lanes as u16, count: None };
            let fixed: &Vec<Option<Val>> = fixed.get_or_insert_with(|| self.tail.load_fixed(b, &at, 2 + along));
            let store = |b: &mut KernelBuilder| {
                let value = self.tail.apply_with(b, value, &at, fixed);
                b.store(self.out, flat, value);
            };
            // The tile begins inside the result, so its first outputs are there.
            let rest = axis.output % axis.m;
            if rest == 0 || k < rest {
                store(b);
            } else {
                let extent = b.index(axis.output as i64);
                let inside = b.compare(CmpOp::Lt, coords[2 + along], extent);
                b.if_(inside, store);
            }
        }
    }
}
