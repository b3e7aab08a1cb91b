//! A dense convolution as a register-tiled sum, and its packed weights
//! `[bundle][channel block][taps..][channel of the block][nv * lanes]`.

use super::ConvShape;
use crate::Packing;
use crate::tiled::{BatchAxis, Channels, ResultPlace, RowAxis, TiledSum, WindowAxis};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::PadMode;
use cnnc_tensor::{Layout, row_major_strides};

/// The sum of a convolution whose result is blocked by `lanes`, with bundles of `nv` vectors. The input is blocked by
/// `lanes` or plain. With `flattened` the spatial axes are one (1x1, stride 1, no padding).
pub fn dense_sum(shape: &ConvShape, input: Layout, lanes: usize, nv: usize, flattened: bool) -> TiledSum {
    let block = if input == Layout::Plain { 1 } else { lanes };
    let width = (nv * lanes) as i64;
    let group_channels = shape.group_channels();
    let pixels = shape.input_pixels() as i64 * block as i64;
    let taps = shape.taps() as i64;
    let mut axes: Vec<RowAxis> = if flattened {
        vec![RowAxis { axis: WindowAxis::plain(shape.pixels()), x_stride: block as i64, w_stride: 0 }]
    } else {
        let window = &shape.window;
        let x_strides = row_major_strides(&shape.input);
        let w_strides = row_major_strides(&window.kernel);
        (0..shape.input.len())
            .map(|k| RowAxis {
                axis: WindowAxis::convolution(
                    shape.output[k],
                    shape.input[k],
                    window.kernel[k],
                    window.strides[k],
                    window.dilations[k],
                    window.pads_begin[k],
                ),
                x_stride: (x_strides[k] * block) as i64,
                w_stride: w_strides[k] as i64 * block as i64 * width,
            })
            .collect()
    };
    // Axes of one position at the end are no axes: tiles run along the last that has several.
    while axes.len() > 1 && axes.last().is_some_and(|a| a.axis == WindowAxis::plain(1)) {
        axes.pop();
    }
    let columns = axes.pop().unwrap_or(RowAxis { axis: WindowAxis::plain(1), x_stride: 0, w_stride: 0 });
    let blocks = group_channels.div_ceil(block) as i64;
    let w_block = taps * block as i64 * width;
    TiledSum {
        lanes,
        batch: vec![BatchAxis {
            extent: shape.images,
            x_stride: shape.channels.div_ceil(block) as i64 * pixels,
            w_stride: 0,
        }],
        rows: axes,
        columns,
        channels: Channels { count: group_channels, block, x_block: pixels, x_channel: 1, w_block, w_channel: width },
        outputs: shape.outputs,
        group_vectors: if shape.groups == 1 {
            shape.outputs.div_ceil(lanes)
        } else {
            shape.group_outputs().div_ceil(lanes)
        },
        x_group: blocks * pixels,
        x_item: 0,
        scattered: None,
        w_first: 0,
        w_bundle: blocks * w_block,
        w_vector: lanes as i64,
        mixed_groups: None,
        w_masked: false,
        place: ResultPlace::Blocked { spatial: shape.output.clone(), flattened },
    }
}

/// The sum of a grouped convolution over weights that hold all channels, zero outside the groups.
pub fn mixed_groups_sum(shape: &ConvShape, lanes: usize, nv: usize) -> TiledSum {
    let whole = ConvShape { groups: 1, ..shape.clone() };
    let groups = Some((shape.group_outputs(), shape.group_channels()));
    TiledSum { mixed_groups: groups, ..dense_sum(&whole, Layout::Blocked(lanes), lanes, nv, false) }
}

/// Packing of weights in the result's order into the order of groups; nothing where these are the same.
pub fn group_order(shape: &ConvShape) -> Vec<Op> {
    if !shape.interleaved {
        return vec![];
    }
    let (outputs, length) = (shape.group_outputs(), shape.group_channels() * shape.taps());
    let mut dims = vec![shape.outputs, shape.group_channels()];
    dims.extend(&shape.window.kernel);
    vec![
        Op::Reshape { dims: vec![outputs, shape.groups, length] },
        Op::Transpose { perm: vec![1, 0, 2] },
        Op::Reshape { dims },
    ]
}

/// The packing of grouped weights for [`mixed_groups_sum`]. Each group's weights are put on the diagonal of a square of
/// groups: a row padded by the length of all others, laid flat and cut, moves one place to the right a row.
pub fn pack_mixed_groups(shape: &ConvShape, lanes: usize, nv: usize) -> Packing {
    let (groups, outputs) = (shape.groups, shape.group_outputs());
    let length = shape.group_channels() * shape.taps();
    let pad = |end: Vec<isize>| Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end };
    let mut ops = vec![
        Op::Reshape { dims: vec![groups, outputs, length] },
        Op::Transpose { perm: vec![1, 0, 2] },
        pad(vec![0, 0, (groups * length) as isize]),
        Op::Reshape { dims: vec![outputs, groups * (groups + 1) * length] },
        pad(vec![0, -((groups * length) as isize)]),
        Op::Reshape { dims: vec![outputs, groups, groups * length] },
        Op::Transpose { perm: vec![1, 0, 2] },
    ];
    let mut dims = vec![shape.outputs, shape.channels];
    dims.extend(&shape.window.kernel);
    ops.push(Op::Reshape { dims });
    let whole = ConvShape { groups: 1, ..shape.clone() };
    ops.extend(pack_weights(&whole, Layout::Blocked(lanes), lanes, nv).ops);
    Packing { input: 1, ops }
}

/// The packing of the weights `[O, C/groups, kernel..]` for [`dense_sum`].
pub fn pack_weights(shape: &ConvShape, input: Layout, lanes: usize, nv: usize) -> Packing {
    let block = if input == Layout::Plain { 1 } else { lanes };
    let width = nv * lanes;
    let (bundles, blocks) = (shape.outputs.div_ceil(width), shape.group_channels().div_ceil(block));
    let mut ops = vec![];
    let grow = [bundles * width - shape.outputs, blocks * block - shape.group_channels()];
    if grow != [0, 0] {
        let mut end = vec![0isize; shape.window.kernel.len() + 2];
        end[0] = grow[0] as isize;
        end[1] = grow[1] as isize;
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end });
    }
    ops.push(Op::Reshape { dims: vec![bundles, width, blocks, block, shape.taps()] });
    ops.push(Op::Transpose { perm: vec![0, 2, 4, 3, 1] });
    Packing { input: 1, ops }
}
