//! Convolution as one plain loop nest: every element type, group and window, plain layouts.

use super::ConvShape;
use crate::scalar_sum::{ScalarSum, is_plain, lower_sums, serial};
use crate::tiled::{WindowAxis, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::{Target, row_major_strides};

/// Convolution by plain loops.
pub const CONV_LOOPS: Algorithm = Algorithm {
    name: "conv_loops",
    about: "convolution as a plain loop nest, any element type",
    accuracy: Accuracy::Rounding,
    error: crate::error::chained_products,
    class: Class::Generic,
    candidates,
    packings: |_, _, _| vec![],
    work,
    lower,
};

/// Share of the peak that one multiply-add after the other reaches.
const EFFICIENCY: f64 = 0.01;

fn fits(region: &Region) -> Option<ConvShape> {
    ConvShape::of_any_order(region).filter(|_| is_plain(region))
}

fn candidates(region: &Region, _: &Target, _: Breadth) -> Vec<Candidate> {
    fits(region).map_or(vec![], |_| vec![Candidate::new(CONV_LOOPS.name, &[])])
}

fn work(region: &Region, _candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of_any_order(region).map_or(0.0, |s| s.flops());
    cost::streaming(region, target, flops, EFFICIENCY)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let shape = fits(region).ok_or_else(|| illegal(region, candidate, "an operand is blocked or of another type"))?;
    Ok(lower_sums(CONV_LOOPS.name, region, |b, buffers, coords| sum_at(b, &shape, buffers, coords)))
}

fn sum_at(b: &mut KernelBuilder, shape: &ConvShape, buffers: (Buf, Buf), coords: &[Val]) -> Val {
    let sum = ScalarSum::start(b, b.dtype(buffers.0));
    let (group_channels, pixels) = (shape.group_channels() as i64, shape.input_pixels() as i64);
    let group = if shape.interleaved {
        b.div_rem(coords[1], shape.groups as i64).1
    } else {
        b.div_rem(coords[1], shape.group_outputs().max(1) as i64).0
    };
    let x = b.address(0, &[(coords[0], shape.channels as i64 * pixels), (group, group_channels * pixels)]);
    let w = b.scale(coords[1], group_channels * shape.taps() as i64);
    b.serial(0, group_channels, |b, channel| {
        let x = b.address(0, &[(channel, pixels), (x, 1)]);
        let w = b.address(0, &[(channel, shape.taps() as i64), (w, 1)]);
        over_taps(b, shape, buffers, &coords[2..], 0, (x, w), sum);
    });
    sum.finish(b)
}

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
    let along = WindowAxis::convolution(
        shape.output[axis],
        shape.input[axis],
        window.kernel[axis],
        window.strides[axis],
        window.dilations[axis],
        window.pads_begin[axis],
    );
    let (x_stride, w_stride) =
        (row_major_strides(&shape.input)[axis] as i64, row_major_strides(&window.kernel)[axis] as i64);
    let start = b.address(along.offset, &[(outputs[axis], along.step)]);
    let taps = along.tap_range(b, start);
    serial(b, taps, |b, tap| {
        let x = b.address(0, &[(start, x_stride), (tap, along.tap_step * x_stride), (at.0, 1)]);
        let w = b.address(0, &[(tap, w_stride), (at.1, 1)]);
        over_taps(b, shape, buffers, outputs, axis + 1, (x, w), sum);
    });
}
