//! Convolution as one plain loop nest: every element type, group and window, plain layouts.

use super::ConvShape;
use crate::operand::Position;
use crate::scalar_sum::{ScalarSum, serial};
use crate::tail::Tail;
use crate::tiled::{WindowAxis, illegal};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_ir::kernel::{Buf, KernelBuilder, Role, Val};
use cnnc_tensor::{Layout, Target, row_major_strides};

/// Convolution by plain loops.
pub const CONV_LOOPS: Algorithm = Algorithm {
    name: "conv_loops",
    about: "convolution as a plain loop nest, any element type",
    accuracy: Accuracy::Rounding,
    class: Class::Generic,
    candidates,
    packings: no_packings,
    work,
    lower,
};

/// Share of the peak that one multiply-add after the other reaches.
const EFFICIENCY: f64 = 0.01;

fn fits(region: &Region) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let types = region.inputs.iter().chain(&region.outputs);
    let dtype = region.outputs[0].dtype;
    let plain = types.clone().all(|t| t.layout == Layout::Plain);
    (plain && region.inputs[..2].iter().all(|t| t.dtype == dtype)).then_some(shape)
}

fn candidates(region: &Region, _target: &Target) -> Vec<Candidate> {
    fits(region).map_or(vec![], |_| vec![Candidate::new(CONV_LOOPS.name, &[])])
}

fn no_packings(_region: &Region, _candidate: &Candidate, _target: &Target) -> Vec<Packing> {
    vec![]
}

fn work(region: &Region, _candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of(region).map_or(0.0, |s| s.flops());
    cost::streaming(region, target, flops, EFFICIENCY)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let shape = fits(region).ok_or_else(|| illegal(region, candidate, "an operand is blocked or of another type"))?;
    let mut b = KernelBuilder::new(CONV_LOOPS.name);
    let (x_type, w_type, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let x = b.buffer("x", x_type.dtype, x_type.count(), Role::Read);
    let w = b.buffer("w", w_type.dtype, w_type.count(), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", result.dtype, result.count(), Role::Write);
    let in_place = tail.in_place(&mut b, out);
    let rank = result.dims.len();
    b.parallel(result.dims[..rank - 1].iter().product(), |b, line| {
        let outer = b.unflatten(line, &result.dims[..rank - 1]);
        b.serial(0, result.dims[rank - 1] as i64, |b, last| {
            let mut coords = outer.clone();
            coords.push(last);
            let element = sum_at(b, &shape, (x, w), &coords);
            let flat = b.address(0, &[(line, result.dims[rank - 1] as i64), (last, 1)]);
            let value = tail.apply(b, element, &Position { coords: &coords, flat, lanes: 1, count: None });
            b.store(out, flat, value);
        });
    });
    let mut lowering = LoweringBuilder::default();
    let mut operands = vec![Operand::Input(0), Operand::Input(1)];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    lowering.call(b.finish(), operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
    Ok(lowering.finish())
}

fn sum_at(b: &mut KernelBuilder, shape: &ConvShape, buffers: (Buf, Buf), coords: &[Val]) -> Val {
    let sum = ScalarSum::start(b, b.dtype(buffers.0));
    let (group_channels, pixels) = (shape.group_channels() as i64, shape.input_pixels() as i64);
    let (group, _) = b.div_rem(coords[1], shape.group_outputs().max(1) as i64);
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
