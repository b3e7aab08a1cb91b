//! Transposed convolution in gather form: the outputs whose coordinates leave the same remainders by the strides form a
//! phase, and a phase is a direct convolution of stride 1 over the input with the taps that meet it. One kernel a
//! phase; nothing is multiplied by inserted zeros. Blocked result, blocked or plain input.

use crate::conv::{ConvShape, is_blocked_f32};
use crate::tiled::{self, BatchAxis, Channels, Input, ResultPlace, RowAxis, TiledSum, Tiling, WindowAxis, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{Layout, Target, row_major_strides};

/// Transposed convolution by phases.
pub const TRANSPOSED_PHASES: Algorithm = Algorithm {
    name: "transposed_phases",
    about: "transposed convolution as one direct convolution for each phase of the strides",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Phases above which there would be too many kernels.
const MOST_PHASES: usize = 64;

fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of_transposed(region)?;
    let lanes = target.lanes;
    let input = region.inputs[0].layout;
    let channels_fit = shape.groups == 1
        || (shape.group_outputs().is_multiple_of(lanes)
            && (input == Layout::Plain || shape.group_channels().is_multiple_of(lanes)));
    let phases: usize = shape.window.strides.iter().product();
    let fits = is_blocked_f32(region, target)
        && (input == Layout::Plain || input == Layout::Blocked(lanes))
        && shape.is_nonempty()
        && channels_fit
        && phases <= MOST_PHASES;
    fits.then_some(shape)
}

/// One phase along one axis: the window, its first tap and the taps from one to the next.
fn phase_axis(shape: &ConvShape, k: usize, phase: usize) -> (WindowAxis, usize, usize) {
    let window = &shape.window;
    let (stride, dilation, kernel) = (window.strides[k], window.dilations[k], window.kernel[k]);
    let at = phase + window.pads_begin[k];
    let meets = |tap: usize| (at as i64 - (tap * dilation) as i64).rem_euclid(stride as i64) == 0;
    let step = stride / gcd(stride, dilation);
    let first = (0..kernel.min(step)).find(|&tap| meets(tap));
    let taps = first.map_or(0, |first| (kernel - first).div_ceil(step));
    let first = first.unwrap_or(0);
    let axis = WindowAxis {
        outputs: (shape.output[k] - phase).div_ceil(stride),
        inputs: shape.input[k],
        step: 1,
        offset: (at as i64 - (first * dilation) as i64).div_euclid(stride as i64),
        taps,
        tap_step: -((dilation * step / stride) as i64),
        result_first: phase,
        result_step: stride,
    };
    (axis, first, step)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The sums of all phases.
fn sums(region: &Region, shape: &ConvShape, target: &Target, nv: usize) -> Vec<TiledSum> {
    let strides = &shape.window.strides;
    let phases: Vec<usize> = strides.iter().zip(&shape.output).map(|(&s, &o)| s.min(o)).collect();
    let count: usize = phases.iter().product();
    let steps = row_major_strides(&phases);
    (0..count)
        .map(|flat| {
            let phase: Vec<usize> = steps.iter().zip(&phases).map(|(&step, &extent)| flat / step % extent).collect();
            phase_sum(region, shape, target, nv, &phase)
        })
        .collect()
}

fn phase_sum(region: &Region, shape: &ConvShape, target: &Target, nv: usize, phase: &[usize]) -> TiledSum {
    let lanes = target.lanes;
    let block = if region.inputs[0].layout == Layout::Plain { 1 } else { lanes };
    let width = nv * lanes;
    let (x_strides, w_strides) = (row_major_strides(&shape.input), row_major_strides(&shape.window.kernel));
    let mut w_first = 0;
    let mut axes: Vec<RowAxis> = (0..shape.input.len())
        .map(|k| {
            let (axis, first, step) = phase_axis(shape, k, phase[k]);
            let tap = (w_strides[k] * block * width) as i64;
            w_first += first as i64 * tap;
            RowAxis { axis, x_stride: (x_strides[k] * block) as i64, w_stride: step as i64 * tap }
        })
        .collect();
    let columns = axes.pop().unwrap_or(RowAxis { axis: WindowAxis::plain(1), x_stride: 0, w_stride: 0 });
    let pixels = (shape.input_pixels() * block) as i64;
    let blocks = shape.group_channels().div_ceil(block) as i64;
    let w_block = (shape.taps() * block * width) as i64;
    TiledSum {
        lanes,
        batch: vec![BatchAxis {
            extent: shape.images,
            x_stride: shape.channels.div_ceil(block) as i64 * pixels,
            w_stride: 0,
        }],
        rows: axes,
        columns,
        channels: Channels {
            count: shape.group_channels(),
            block,
            x_block: pixels,
            x_channel: 1,
            w_block,
            w_channel: width as i64,
        },
        outputs: shape.outputs,
        group_vectors: if shape.groups == 1 {
            shape.outputs.div_ceil(lanes)
        } else {
            shape.group_outputs().div_ceil(lanes)
        },
        x_group: blocks * pixels,
        x_item: 0,
        scattered: None,
        w_first,
        w_bundle: blocks * w_block,
        w_vector: lanes as i64,
        mixed_groups: None,
        w_masked: false,
        place: ResultPlace::Blocked { spatial: shape.output.clone(), flattened: false },
    }
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    let sums = sums(region, &shape, target, 1);
    let most_taps = |s: &&TiledSum| s.rows.iter().chain([&s.columns]).map(|r| r.axis.taps).product::<usize>();
    let Some(largest) = sums.iter().max_by_key(most_taps) else { return vec![] };
    tiled::tilings(largest, target, breadth).iter().map(|t| t.candidate(TRANSPOSED_PHASES.name)).collect()
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let (Some(shape), Some(tiling)) = (fits(region, target), Tiling::of(candidate)) else { return vec![] };
    let block = if region.inputs[0].layout == Layout::Plain { 1 } else { target.lanes };
    let width = tiling.nv * target.lanes;
    let (groups, inputs, outputs) = (shape.groups, shape.group_channels(), shape.group_outputs());
    let (blocks, bundles) = (inputs.div_ceil(block), outputs.div_ceil(width));
    let mut ops = vec![];
    let grow = [blocks * block - inputs, bundles * width - outputs];
    if grow != [0, 0] {
        let mut end = vec![0; shape.window.kernel.len() + 2];
        end[0] = grow[0] as isize;
        end[1] = grow[1] as isize;
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end });
    }
    ops.push(Op::Reshape { dims: vec![groups, blocks, block, bundles, width, shape.taps()] });
    ops.push(Op::Transpose { perm: vec![0, 3, 1, 5, 2, 4] });
    vec![Packing { input: 1, ops }]
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (fits(region, target), Tiling::of(candidate)) else { return Work::default() };
    let seconds = sums(region, &shape, target, tiling.nv).iter().map(|s| tiled::seconds(s, &tiling, target)).sum();
    // By definition every input meets every tap.
    let flops = 2.0
        * (shape.images * shape.channels * shape.input_pixels()) as f64
        * (shape.group_outputs() * shape.taps()) as f64;
    Work { flops, seconds }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let shape = fits(region, target).ok_or_else(|| illegal(region, candidate, "layouts or channels do not fit"))?;
    let mut lowering = LoweringBuilder::default();
    let mut in_place = vec![];
    for sum in sums(region, &shape, target, tiling.nv) {
        tiled::check(region, candidate, &sum, &tiling)?;
        let emitted = tiled::emit(TRANSPOSED_PHASES.name, region, &sum, &tiling, Input::Direct(Operand::Input(0)));
        lowering.call(emitted.kernel, emitted.operands);
        in_place = emitted.in_place;
    }
    in_place.into_iter().for_each(|operand| lowering.in_place(operand, 0));
    Ok(lowering.finish())
}
