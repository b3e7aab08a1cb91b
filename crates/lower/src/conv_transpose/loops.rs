//! Transposed convolution as one plain loop nest in gather form: every element type, group and window, plain layouts.

use crate::conv::ConvShape;
use crate::scalar_sum::{ScalarSum, is_plain, lower_sums};
use crate::tiled::illegal;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, KernelBuilder, Val};
use cnnc_tensor::{Target, row_major_strides};

/// Transposed convolution by plain loops.
pub const TRANSPOSED_LOOPS: Algorithm = Algorithm {
    name: "transposed_loops",
    about: "transposed convolution as a plain loop nest, any element type",
    accuracy: Accuracy::Rounding,
    error: crate::error::chained_products,
    class: Class::Generic,
    candidates,
    packings: |_, _, _| vec![],
    work,
    lower,
};

/// Share of the peak that one multiply-add after the other reaches.
const EFFICIENCY: f64 = 0.005;

fn fits(region: &Region) -> Option<ConvShape> {
    ConvShape::of_transposed(region).filter(|_| is_plain(region))
}

fn candidates(region: &Region, _: &Target, _: Breadth) -> Vec<Candidate> {
    fits(region).map_or(vec![], |_| vec![Candidate::new(TRANSPOSED_LOOPS.name, &[])])
}

fn work(region: &Region, _candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of_transposed(region).map_or(0.0, |s| {
        2.0 * (s.images * s.channels * s.input_pixels()) as f64 * (s.group_outputs() * s.taps()) as f64
    });
    cost::streaming(region, target, flops, EFFICIENCY)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let shape = fits(region).ok_or_else(|| illegal(region, candidate, "an operand is blocked or of another type"))?;
    Ok(lower_sums(TRANSPOSED_LOOPS.name, region, |b, buffers, coords| sum_at(b, &shape, buffers, coords)))
}

fn sum_at(b: &mut KernelBuilder, shape: &ConvShape, buffers: (Buf, Buf), coords: &[Val]) -> Val {
    let sum = ScalarSum::start(b, b.dtype(buffers.0));
    let (inputs, outputs) = (shape.group_channels() as i64, shape.group_outputs() as i64);
    let (pixels, taps) = (shape.input_pixels() as i64, shape.taps() as i64);
    let (group, output) = b.div_rem(coords[1], outputs.max(1));
    let x = b.address(0, &[(coords[0], shape.channels as i64 * pixels), (group, inputs * pixels)]);
    let w = b.address(0, &[(group, inputs * outputs * taps), (output, taps)]);
    b.serial(0, inputs, |b, channel| {
        let x = b.address(0, &[(channel, pixels), (x, 1)]);
        let w = b.address(0, &[(channel, outputs * taps), (w, 1)]);
        over_taps(b, shape, buffers, &coords[2..], 0, (x, w), sum);
    });
    sum.finish(b)
}

/// Taps of an axis: those whose step back from the output lands on an input.
fn over_taps(
    b: &mut KernelBuilder,
    shape: &ConvShape,
    buffers: (Buf, Buf),
    outputs: &[Val],
    axis: usize,
    at: (Val, Val),
    sum: ScalarSum,
) {
    if axis == outputs.len() {
        return sum.add_product(b, (buffers.0, at.0), (buffers.1, at.1));
    }
    let window = &shape.window;
    let stride = window.strides[axis] as i64;
    let (x_stride, w_stride) =
        (row_major_strides(&shape.input)[axis] as i64, row_major_strides(&window.kernel)[axis] as i64);
    b.serial(0, window.kernel[axis] as i64, |b, tap| {
        let back =
            b.address(window.pads_begin[axis] as i64, &[(outputs[axis], 1), (tap, -(window.dilations[axis] as i64))]);
        let (input, rest) = b.div_rem(back, stride);
        let (zero, extent) = (b.index(0), b.index(shape.input[axis] as i64));
        let mut inside = b.compare(CmpOp::Ge, back, zero);
        let before_end = b.compare(CmpOp::Lt, input, extent);
        inside = b.binary(BinOp::And, inside, before_end);
        let even = b.compare(CmpOp::Eq, rest, zero);
        inside = b.binary(BinOp::And, inside, even);
        b.if_(inside, |b| {
            let x = b.address(0, &[(input, x_stride), (at.0, 1)]);
            let w = b.address(0, &[(tap, w_stride), (at.1, 1)]);
            over_taps(b, shape, buffers, outputs, axis + 1, (x, w), sum);
        });
    });
}
