//! Convolution as a matrix product over copied windows (im2col), blocked layout, any window.
//!
//! A work item is a run of pixels: it copies their windows to scratch, `[channel block][tap][pixel][lanes]` with zeros
//! for padding, and multiplies them with all weights. So the workspace is bounded by the run, not by the image, and the
//! register tiles see one flat axis whatever the shape of the image.

use super::ConvShape;
use super::dense;
use super::shape::of_flat_pixels;
use super::sum::dense_sum;
use crate::scalar_sum::serial;
use crate::tiled::{self, Channels, Fill, Input, RowAxis, TiledSum, Tiling, WindowAxis, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Axis, BinOp, Buf, KernelBuilder, Val};
use cnnc_tensor::{DType, Layout, Target, row_major_strides};

/// Convolution by copied windows.
pub const IM2COL: Algorithm = Algorithm {
    name: "im2col",
    about: "convolution as a matrix product over copied windows, a bounded run of pixels at a time",
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

/// Elements of a window, whole blocks of channels.
fn window_elems(shape: &ConvShape, lanes: usize) -> usize {
    shape.channels.next_multiple_of(lanes) * shape.taps()
}

/// The product over copied windows, whose channels are all taps of all blocks.
fn sum(shape: &ConvShape, target: &Target, tiling: &Tiling) -> TiledSum {
    let lanes = target.lanes;
    let run = (tiling.tiles * tiling.mr) as i64;
    let dense = dense_sum(shape, Layout::Blocked(lanes), lanes, tiling.nv, false);
    let mut sum = TiledSum {
        rows: vec![],
        columns: RowAxis { axis: WindowAxis::plain(shape.pixels()), x_stride: lanes as i64, w_stride: 0 },
        channels: Channels {
            count: window_elems(shape, lanes),
            x_block: run * lanes as i64,
            w_block: dense.channels.w_channel * lanes as i64,
            ..dense.channels
        },
        x_item: run * lanes as i64,
        place: tiled::ResultPlace::Blocked { spatial: shape.output.clone(), flattened: true },
        ..dense
    };
    sum.batch[0].x_stride = 0;
    sum
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = of_flat_pixels(region, target) else { return vec![] };
    let any = Tiling { mr: 1, nv: 1, rows: 1, tiles: 1, chunk: 1, weights_outer: false };
    let mut found: Vec<Tiling> = vec![];
    for tiling in tiled::tilings(&sum(&shape, target, &any), target, breadth) {
        // As many pixels as keep the copy in half of the second-level cache, and an item for every thread.
        let tile_bytes = window_elems(&shape, target.lanes) * tiling.mr * 4;
        let all = shape.pixels().div_ceil(tiling.mr);
        let most = if target.threads > 1 { all.div_ceil(4 * target.threads) } else { all };
        let tiles = (target.l2 / 2 / tile_bytes).clamp(1, most);
        let tiling =
            Tiling { tiles, rows: 1, chunk: window_elems(&shape, target.lanes), weights_outer: false, ..tiling };
        if !found.contains(&tiling) {
            found.push(tiling);
        }
    }
    found.truncate(breadth.most(OFFERED));
    found.iter().map(|t| t.candidate(IM2COL.name)).collect()
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (of_flat_pixels(region, target), Tiling::of(candidate)) else {
        return Work::default();
    };
    let product = tiled::seconds(&sum(&shape, target, &tiling), &tiling, target);
    let vectors = (shape.images * shape.pixels() * window_elems(&shape, target.lanes) / target.lanes) as f64;
    Work { flops: shape.flops(), seconds: product + vectors * 3.0 / target.ceilings.hertz() }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let shape =
        of_flat_pixels(region, target).ok_or_else(|| illegal(region, candidate, "layouts or groups do not fit"))?;
    let run = (tiling.tiles * tiling.mr).min(shape.pixels().next_multiple_of(tiling.mr));
    let tiling = Tiling { tiles: run / tiling.mr, ..tiling };
    let sum = sum(&shape, target, &tiling);
    tiled::check(region, candidate, &sum, &tiling)?;
    let mut copy = Copy { shape: &shape, lanes: target.lanes, run };
    let elems = window_elems(&shape, target.lanes) * run;
    let input = Input::Copied(Operand::Input(0), elems, &mut copy);
    Ok(tiled::whole(tiled::emit(IM2COL.name, region, &sum, &tiling, input)))
}

/// The copy of the windows of a run of pixels.
struct Copy<'a> {
    shape: &'a ConvShape,
    lanes: usize,
    run: usize,
}

impl Fill for Copy<'_> {
    fn emit(&self, b: &mut KernelBuilder, buffers: (Buf, Buf), batch: &[Val], item: Val) {
        let (shape, image) = (self.shape, batch[0]);
        let first = b.scale(item, self.run as i64);
        let all = b.index(shape.pixels() as i64);
        let left = b.sub(all, first);
        let full = b.index(self.run as i64);
        let count = b.binary(BinOp::Min, left, full);
        let zero = b.index(0);
        serial(b, (zero, count), |b, k| {
            let pixel = b.add(first, k);
            let outputs = b.unflatten(pixel, &shape.output);
            let blocks = shape.channels.div_ceil(self.lanes) as i64;
            let x = b.scale(image, blocks * (shape.input_pixels() * self.lanes) as i64);
            let to = b.scale(k, self.lanes as i64);
            self.taps(b, buffers, &outputs, 0, (x, to, None));
        });
    }
}

impl Copy<'_> {
    /// Taps of an axis; `at` is the input element and the place in the copy so far, and whether the input exists.
    fn taps(
        &self,
        b: &mut KernelBuilder,
        buffers: (Buf, Buf),
        outputs: &[Val],
        axis: usize,
        at: (Val, Val, Option<Val>),
    ) {
        let (shape, window) = (self.shape, &self.shape.window);
        if axis == outputs.len() {
            return self.blocks(b, buffers, at);
        }
        let pad = window.pads_begin[axis] as i64;
        let x_stride = (row_major_strides(&shape.input)[axis] * self.lanes) as i64;
        let to_stride = (row_major_strides(&window.kernel)[axis] * self.run * self.lanes) as i64;
        b.serial(0, window.kernel[axis] as i64, |b, tap| {
            let (stride, dilation) = (window.strides[axis] as i64, window.dilations[axis] as i64);
            let input = b.address(-pad, &[(outputs[axis], stride), (tap, dilation)]);
            let exists = b.within(input, shape.input[axis] as i64, at.2);
            let x = b.address(0, &[(input, x_stride), (at.0, 1)]);
            let to = b.address(0, &[(tap, to_stride), (at.1, 1)]);
            self.taps(b, buffers, outputs, axis + 1, (x, to, Some(exists)));
        });
    }

    /// One tap of one pixel: the vectors of all blocks of channels.
    fn blocks(&self, b: &mut KernelBuilder, (from, to): (Buf, Buf), at: (Val, Val, Option<Val>)) {
        let shape = self.shape;
        let lanes = self.lanes as u16;
        let x_stride = (shape.input_pixels() * self.lanes) as i64;
        let to_stride = (shape.taps() * self.run * self.lanes) as i64;
        let (zero, blocks) = (b.index(0), b.index(shape.channels.div_ceil(self.lanes) as i64));
        let copy = |b: &mut KernelBuilder, exists: bool| {
            b.for_axis(Axis::Serial, zero, blocks, 1, |b, block| {
                let value = if exists {
                    let x = b.address(0, &[(block, x_stride), (at.0, 1)]);
                    b.load(from, x, lanes)
                } else {
                    b.constant(cnnc_tensor::Scalar::from_f64(DType::F32, 0.0), lanes)
                };
                let place = b.address(0, &[(block, to_stride), (at.1, 1)]);
                b.store(to, place, value);
            });
        };
        match at.2 {
            Some(exists) => b.if_else(exists, |b| copy(b, true), |b| copy(b, false)),
            None => copy(b, true),
        }
    }
}
