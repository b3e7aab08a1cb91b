//! The shuffle: every vector of result channels gathered from the sums of the groups, then the tail.
//!
//! Where the groups divide the lanes, a vector takes as many consecutive channels of each group, which are one load;
//! else each lane is a load of its own. Where the channels stand in the sums is computed once for all pixels of a block.

use super::ConvShape;
use crate::operand::{Position, elements};
use crate::tail::Tail;
use crate::{LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{BinOp, Buf, KernelBuilder, Role, Val};
use cnnc_tensor::DType;

/// Consecutive channels of a group that a load brings.
fn run(shape: &ConvShape, lanes: usize) -> usize {
    let even = lanes.is_multiple_of(shape.groups) && shape.group_outputs().is_multiple_of(lanes / shape.groups);
    if even { lanes / shape.groups } else { 1 }
}

/// Work items: a block of channels of an image each.
pub fn items(shape: &ConvShape, lanes: usize) -> usize {
    shape.images * shape.outputs.div_ceil(lanes)
}

/// Estimated cycles: loads, what joins them, tail and store of every vector.
pub fn cycles(shape: &ConvShape, lanes: usize) -> f64 {
    let loads = lanes / run(shape, lanes);
    (items(shape, lanes) * shape.pixels()) as f64 * (1.5 * loads as f64 + 4.0)
}

/// Adds the kernel and its call: from the sums in `workspace`, blocked, to result 0 of the region.
pub fn lower(lowering: &mut LoweringBuilder, region: &Region, shape: &ConvShape, lanes: usize, workspace: Operand) {
    let mut b = KernelBuilder::new("shuffle");
    let result = &region.outputs[0];
    let elems = elements(result);
    let sums = b.buffer("sums", DType::F32, elems, Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", DType::F32, elems, Role::Write);
    let in_place = tail.in_place(&mut b, out);
    let (blocks, pixels) = (shape.outputs.div_ceil(lanes), shape.pixels() as i64);
    let block_elems = pixels * lanes as i64;
    b.parallel(items(shape, lanes), |b, index| {
        let at = b.unflatten(index, &[shape.images, blocks]);
        let image = b.scale(at[0], blocks as i64 * block_elems);
        let first = b.address(0, &[(at[1], block_elems), (image, 1)]);
        let channel = b.scale(at[1], lanes as i64);
        let sources = sources(b, shape, lanes, channel, image);
        let mut coords = vec![at[0], channel];
        coords.resize_with(shape.output.len() + 2, || b.index(0));
        let along = coords.len() - 1;
        let start = Position { coords: &coords, flat: first, lanes: lanes as u16, count: None };
        let fixed = tail.load_fixed(b, &start, along);
        b.serial(0, pixels, |b, pixel| {
            let offset = b.scale(pixel, lanes as i64);
            let element = gathered(b, sums, &sources, offset, lanes);
            let mut coords = coords.clone();
            coords[along] = pixel;
            let flat = b.add(first, offset);
            let at = Position { coords: &coords, flat, lanes: lanes as u16, count: None };
            let value = tail.apply_with(b, element, &at, &fixed);
            b.store(out, flat, value);
        });
    });
    let mut operands = vec![workspace];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    lowering.call(b.finish(), operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
}

/// Where the loads of a block whose first channel is `channel` begin, for pixel 0: load j brings channels j, j + groups,
/// j + 2 groups, ... of the block.
fn sources(b: &mut KernelBuilder, shape: &ConvShape, lanes: usize, channel: Val, image: Val) -> Vec<Val> {
    let loads = lanes / run(shape, lanes);
    let block_elems = (shape.pixels() * lanes) as i64;
    let last = b.index(shape.outputs as i64 - 1);
    let mut source = |j: usize| {
        let wanted = b.offset(channel, j as i64);
        // Lanes beyond the last channel read it again; they become zero.
        let wanted = if shape.outputs.is_multiple_of(lanes) { wanted } else { b.binary(BinOp::Min, wanted, last) };
        let (place, group) = b.div_rem(wanted, shape.groups as i64);
        let channel = b.address(0, &[(group, shape.group_outputs() as i64), (place, 1)]);
        let (block, lane) = b.div_rem(channel, lanes as i64);
        b.address(0, &[(block, block_elems), (lane, 1), (image, 1)])
    };
    (0..loads).map(&mut source).collect()
}

/// The vector of a pixel.
fn gathered(b: &mut KernelBuilder, sums: Buf, sources: &[Val], offset: Val, lanes: usize) -> Val {
    let run = (lanes / sources.len()) as u16;
    let mut parts: Vec<Val> = vec![];
    for &source in sources {
        let at = b.add(source, offset);
        parts.push(b.load(sums, at, run));
    }
    if run == 1 {
        let mut vector = b.splat(parts[0], lanes as u16);
        for (lane, &part) in parts.iter().enumerate().skip(1) {
            vector = b.insert(vector, lane as u16, part);
        }
        return vector;
    }
    // Perfect shuffles of halves: after each step the parts are half as many, and hold every so many-th channel.
    while parts.len() > 1 {
        let (low, high) = parts.split_at(parts.len() / 2);
        parts = low.iter().zip(high).map(|(&x, &y)| perfect_shuffle(b, x, y)).collect();
    }
    parts[0]
}

/// Lanes of two vectors in turn.
fn perfect_shuffle(b: &mut KernelBuilder, x: Val, y: Val) -> Val {
    let lanes = b.ty(x).lanes;
    b.shuffle(x, y, (0..lanes).flat_map(|lane| [lane, lanes + lane]).collect())
}
