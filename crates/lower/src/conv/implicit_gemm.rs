//! Implicit GEMM: a convolution as a product of windows and weights, without a matrix of windows. Blocked layout, any
//! window.
//!
//! Output pixels are walked as one axis, whatever the shape of the image, so register tiles are full also where rows are
//! shorter than they or do not divide by them. A work item is a run of pixels. It copies the slices of the input (along
//! the first spatial axis) that its windows read to scratch, `[channel block][slice][inner axes..][lanes]` with zeros for
//! padding: each input once and not once for every tap, as im2col does. Each position of a register tile then has an
//! offset of its own in the copy, to which taps and channels add the same (Dukhan, "The indirect convolution algorithm",
//! 2019, keeps pointers for that).

use super::ConvShape;
use super::dense;
use super::shape::of_flat_pixels;
use super::sum::dense_sum;
use crate::scalar_sum::serial;
use crate::tiled::{self, Fill, Input, ResultPlace, RowAxis, Scattered, TiledSum, Tiling, WindowAxis, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Axis, BinOp, Buf, KernelBuilder, Val};
use cnnc_tensor::{Layout, Target, row_major_strides};

/// Convolution over a flat axis of pixels.
pub const IMPLICIT_GEMM: Algorithm = Algorithm {
    name: "implicit_gemm",
    about: "convolution as a matrix product whose rows are windows found by offsets, for short or odd rows",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings: dense::packings,
    work,
    lower,
};

/// Candidates offered.
const OFFERED: usize = 2;

/// Inputs that the windows of `outputs` neighbours on an axis reach over.
fn reach(shape: &ConvShape, axis: usize, outputs: usize) -> usize {
    let window = &shape.window;
    (outputs - 1) * window.strides[axis] + (window.kernel[axis] - 1) * window.dilations[axis] + 1
}

/// Extents of the copy of a run of pixels: slices, then the inner axes.
fn copied(shape: &ConvShape, run: usize) -> Vec<usize> {
    let inner: usize = shape.output[1..].iter().product();
    // A run may begin and end within a slice.
    let slices = if run.is_multiple_of(inner) { run / inner } else { (run + inner - 2) / inner + 1 };
    let slices = slices.min(shape.output[0]);
    let inner = (1..shape.output.len()).map(|axis| reach(shape, axis, shape.output[axis]));
    std::iter::once(reach(shape, 0, slices)).chain(inner).collect()
}

fn copied_elems(shape: &ConvShape, run: usize, lanes: usize) -> usize {
    shape.channels.next_multiple_of(lanes) * copied(shape, run).iter().product::<usize>()
}

/// The product over the copy of a run of pixels.
fn sum(shape: &ConvShape, target: &Target, tiling: &Tiling) -> TiledSum {
    let lanes = target.lanes;
    let extents = copied(shape, tiling.tiles * tiling.mr);
    let strides: Vec<i64> = row_major_strides(&extents).iter().map(|s| (s * lanes) as i64).collect();
    let dense = dense_sum(shape, Layout::Blocked(lanes), lanes, tiling.nv, false);
    let w_strides = row_major_strides(&shape.window.kernel);
    let taps = |axis: usize, outputs: usize| {
        let (taps, dilation) = (shape.window.kernel[axis], shape.window.dilations[axis]);
        let inputs = outputs + (taps - 1) * dilation;
        RowAxis {
            axis: WindowAxis::convolution(outputs, inputs, taps, 1, dilation, 0),
            x_stride: strides[axis],
            w_stride: w_strides[axis] as i64 * dense.channels.w_channel * lanes as i64,
        }
    };
    let last = shape.output.len() - 1;
    let steps = strides.iter().zip(&shape.window.strides).map(|(&at, &stride)| at * stride as i64).collect();
    let mut sum = TiledSum {
        rows: (0..last).map(|axis| taps(axis, 1)).collect(),
        columns: taps(last, shape.pixels()),
        scattered: Some(Scattered { extents: shape.output.clone(), steps }),
        place: ResultPlace::Blocked { spatial: shape.output.clone(), flattened: true },
        ..dense
    };
    sum.channels.x_block = extents.iter().product::<usize>() as i64 * lanes as i64;
    sum.batch[0].x_stride = 0;
    sum
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = of_flat_pixels(region, target) else { return vec![] };
    let any = Tiling { mr: 1, nv: 1, rows: 1, tiles: 1, chunk: 1, weights_outer: false };
    let mut found: Vec<Tiling> = vec![];
    for tiling in tiled::tilings(&sum(&shape, target, &any), target, breadth) {
        // As many pixels as keep the copy in half of the second-level cache, and an item for every thread.
        let all = shape.pixels().div_ceil(tiling.mr);
        let mut tiles = if target.threads > 1 { all.div_ceil(4 * target.threads) } else { all };
        while tiles > 1 && copied_elems(&shape, tiles * tiling.mr, target.lanes) * 4 > target.l2 / 2 {
            tiles = tiles.div_ceil(2);
        }
        let tiling = Tiling { tiles, rows: 1, weights_outer: false, ..tiling };
        if !found.contains(&tiling) {
            found.push(tiling);
        }
    }
    found.truncate(breadth.most(OFFERED));
    found.iter().map(|t| t.candidate(IMPLICIT_GEMM.name)).collect()
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (of_flat_pixels(region, target), Tiling::of(candidate)) else {
        return Work::default();
    };
    let tiling = clamped(&shape, tiling);
    let product = tiled::seconds(&sum(&shape, target, &tiling), &tiling, target);
    let run = tiling.tiles * tiling.mr;
    let items = shape.images * shape.pixels().div_ceil(run);
    let vectors = (items * copied_elems(&shape, run, target.lanes) / target.lanes) as f64;
    Work { flops: shape.flops(), seconds: product + vectors * 3.0 / target.ceilings.hertz() }
}

/// A tiling with no more tiles than there are.
fn clamped(shape: &ConvShape, tiling: Tiling) -> Tiling {
    Tiling { tiles: tiling.tiles.min(shape.pixels().div_ceil(tiling.mr)), ..tiling }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let shape =
        of_flat_pixels(region, target).ok_or_else(|| illegal(region, candidate, "layouts or groups do not fit"))?;
    let tiling = clamped(&shape, tiling);
    let sum = sum(&shape, target, &tiling);
    tiled::check(region, candidate, &sum, &tiling)?;
    let run = tiling.tiles * tiling.mr;
    let mut copy = Copy { shape: &shape, lanes: target.lanes, run, extents: copied(&shape, run) };
    let elems = copied_elems(&shape, run, target.lanes);
    let input = Input::Copied(Operand::Input(0), elems, &mut copy);
    Ok(tiled::whole(tiled::emit(IMPLICIT_GEMM.name, region, &sum, &tiling, input)))
}

/// The copy of the slices that a run of pixels reads.
struct Copy<'a> {
    shape: &'a ConvShape,
    lanes: usize,
    run: usize,
    extents: Vec<usize>,
}

impl Fill for Copy<'_> {
    fn emit(&self, b: &mut KernelBuilder, buffers: (Buf, Buf), batch: &[Val], item: Val) {
        let (shape, image) = (self.shape, batch[0]);
        let position = b.scale(item, self.run as i64);
        let slice = b.unflatten(position, &shape.output)[0];
        let first = b.scale(slice, shape.window.strides[0] as i64);
        let blocks = shape.channels.div_ceil(self.lanes) as i64;
        let from = (shape.input_pixels() * self.lanes) as i64;
        let to = (self.extents.iter().product::<usize>() * self.lanes) as i64;
        b.serial(0, blocks, |b, block| {
            let x = b.address(0, &[(image, blocks * from), (block, from)]);
            let place = b.scale(block, to);
            self.axis(b, buffers, 0, first, (x, place));
        });
    }
}

impl Copy<'_> {
    /// The copy along an axis, whose first input stands at `first` of the padded ones; `at` is where that is and where it
    /// goes, along the axes before.
    fn axis(&self, b: &mut KernelBuilder, buffers: (Buf, Buf), axis: usize, first: Val, at: (Val, Val)) {
        let pad = self.shape.window.pads_begin[axis] as i64;
        let (inputs, extent) = (self.shape.input[axis] as i64, self.extents[axis] as i64);
        let x_stride = (row_major_strides(&self.shape.input)[axis] * self.lanes) as i64;
        let to_stride = (row_major_strides(&self.extents)[axis] * self.lanes) as i64;
        let begin = b.address(-pad, &[(first, 1)]);
        // Which of the copied are inputs: from..to, before and after are zeros.
        let (none, all) = (b.index(0), b.index(extent));
        let before = b.sub(none, begin);
        let before = b.binary(BinOp::Max, before, none);
        let before = b.binary(BinOp::Min, before, all);
        let end = b.index(inputs);
        let after = b.sub(end, begin);
        let after = b.binary(BinOp::Min, after, all);
        let after = b.binary(BinOp::Max, after, before);
        for bounds in [(none, before), (after, all)] {
            let (from, to) = (b.scale(bounds.0, to_stride), b.scale(bounds.1, to_stride));
            self.zeros(b, buffers.1, at.1, (from, to));
        }
        serial(b, (before, after), |b, k| {
            let x = b.address(0, &[(begin, x_stride), (k, x_stride), (at.0, 1)]);
            let to = b.address(0, &[(k, to_stride), (at.1, 1)]);
            if axis + 1 < self.extents.len() {
                let zero = b.index(0);
                return self.axis(b, buffers, axis + 1, zero, (x, to));
            }
            let vector = b.load(buffers.0, x, self.lanes as u16);
            b.store(buffers.1, to, vector);
        });
    }

    fn zeros(&self, b: &mut KernelBuilder, buffer: Buf, at: Val, (from, to): (Val, Val)) {
        let zero = b.f32(0.0, self.lanes as u16);
        b.for_axis(Axis::Serial, from, to, self.lanes as i64, |b, k| {
            let place = b.add(at, k);
            b.store(buffer, place, zero);
        });
    }
}
