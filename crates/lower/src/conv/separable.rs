//! A depthwise convolution and the 1x1 convolution of what it makes, a few rows at a time: the rows between them stay in
//! the second-level cache and are never written to memory.
//!
//! A work item makes its rows of the depthwise result, all channels, in scratch `[channel block][row][column][lanes]`, and
//! multiplies them with all weights. For images whose depthwise result is larger than that cache; others gain nothing.

use super::depthwise;
use super::lanewise::{Lanewise, LanewiseEmitter};
use super::{ConvShape, dense_sum, is_blocked_f32, pack_weights};
use crate::operand::elements;
use crate::scalar_sum::serial;
use crate::tail::Tail;
use crate::tiled::{self, Fill, Input, TiledSum, Tiling, illegal, multiply_adds_per_cycle};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Operand, Packing, Region, Work, cost, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::Window;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, Buf, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Layout, Target};

/// Depthwise and 1x1 convolution in one.
pub const SEPARABLE: Algorithm = Algorithm {
    name: "separable",
    about: "depthwise convolution and the 1x1 convolution of what it makes, a few rows at a time",
    accuracy: Accuracy::Rounding,
    error: declared,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Register tiles offered.
const OFFERED: usize = 3;

/// The two convolutions, as operators of their own.
struct Parts {
    depthwise: Op,
    pointwise: Op,
    made: TensorType,
}

impl Parts {
    fn of(region: &Region) -> Option<Parts> {
        let Op::Separable { window, between, tail } = region.op else { return None };
        let mut made = region.outputs.first()?.clone();
        let channels = *region.inputs.first()?.dims.get(1)?;
        *made.dims.get_mut(1)? = channels;
        let one = Window::of_one_tap(window.kernel.len());
        let conv = |window: &Window, groups: usize, tail: &cnnc_ir::expr::Expr| Op::Conv {
            window: window.clone(),
            groups,
            interleaved: false,
            tail: tail.clone(),
        };
        Some(Parts { depthwise: conv(window, channels, between), pointwise: conv(&one, 1, tail), made })
    }

    fn depthwise<'a>(&'a self, region: &Region<'a>) -> Region<'a> {
        Region {
            name: region.name,
            op: &self.depthwise,
            inputs: region.inputs[..3].to_vec(),
            constants: region.constants[..3].to_vec(),
            outputs: vec![self.made.clone()],
        }
    }

    fn pointwise<'a>(&'a self, region: &Region<'a>) -> Region<'a> {
        let (mut inputs, mut constants) = (vec![self.made.clone()], vec![None]);
        inputs.extend_from_slice(&region.inputs[3..]);
        constants.extend_from_slice(&region.constants[3..]);
        Region { name: region.name, op: &self.pointwise, inputs, constants, outputs: region.outputs.clone() }
    }
}

/// Both shapes, where the region is one that is taken.
fn fits(region: &Region, target: &Target) -> Option<(Parts, ConvShape, ConvShape)> {
    let parts = Parts::of(region)?;
    let (first, second) = (parts.depthwise(region), parts.pointwise(region));
    let blocked = region.inputs[0].layout == Layout::Blocked(target.lanes);
    let shapes = (ConvShape::of(&first)?, ConvShape::of(&second)?);
    let taken = blocked
        && is_blocked_f32(&first, target)
        && is_blocked_f32(&second, target)
        && shapes.0.is_nonempty()
        && shapes.1.is_nonempty()
        && rows(&shapes.1) > 1
        && shapes.1.output.last() > Some(&1);
    taken.then_some((parts, shapes.0, shapes.1))
}

fn rows(shape: &ConvShape) -> usize {
    shape.output[..shape.output.len() - 1].iter().product()
}

/// The product of all rows with the weights, read from the scratch of an item of so many rows.
fn sum(shape: &ConvShape, lanes: usize, tiling: &Tiling) -> TiledSum {
    let mut sum = dense_sum(shape, Layout::Blocked(lanes), lanes, tiling.nv, false);
    let row = (shape.output[shape.output.len() - 1] * lanes) as i64;
    let item = row * tiling.rows.min(rows(shape)) as i64;
    sum.batch[0].x_stride = 0;
    sum.channels.x_block = item;
    sum.x_item = item;
    sum
}

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<(Parts, Lanewise, ConvShape, Tiling)> {
    let (parts, first, second) = fits(region, target)?;
    let get = |key: &str| usize::try_from(*candidate.params.get(key)?).ok().filter(|&v| v > 0);
    let (mr, nv, rows) = (get("mr")?, get("nv")?, get("rows")?.min(rows(&second)));
    (mr <= 64 && nv <= 64 && mr * nv <= 64).then_some(())?;
    let chunk = second.channels.div_ceil(target.lanes);
    let tiling = Tiling { mr, nv, rows, tiles: 1, chunk, weights_outer: false };
    let conv = Lanewise::new(first, target, get("px").filter(|&px| px <= 64)?, rows)?;
    Some((parts, conv, second, tiling))
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some((_, first, second)) = fits(region, target) else { return vec![] };
    let mut widths: Vec<i64> = vec![];
    for tiling in depthwise::tilings(SEPARABLE.name, &first, target, Breadth::Offered) {
        widths.extend(tiling.params.get("mr").filter(|width| !widths.contains(width)));
    }
    let row = second.channels.next_multiple_of(target.lanes) * second.output[second.output.len() - 1] * 4;
    // As many rows as keep them in half of the second-level cache, and several items for every thread.
    let most = if target.threads > 1 { rows(&second).div_ceil(4 * target.threads) } else { rows(&second) };
    let height = (target.l2 / 2 / row.max(1)).clamp(1, most);
    let any = Tiling { mr: 1, nv: 1, rows: height, tiles: 1, chunk: 1, weights_outer: false };
    let mut tiles: Vec<(usize, usize)> = vec![];
    for tiling in tiled::tilings(&sum(&second, target.lanes, &any), target, breadth) {
        if !tiles.contains(&(tiling.mr, tiling.nv)) {
            tiles.push((tiling.mr, tiling.nv));
        }
    }
    tiles.truncate(breadth.most(OFFERED));
    let mut heights = vec![height];
    match breadth {
        Breadth::Offered => widths.truncate(1),
        Breadth::Space => heights.extend([height / 4, height / 2, 2 * height].map(|rows| rows.clamp(1, most))),
    }
    let mut found: Vec<Candidate> = vec![];
    for (mr, nv) in tiles {
        for (px, rows) in widths.iter().flat_map(|&px| heights.iter().map(move |&rows| (px, rows))) {
            let params = [("mr", mr as i64), ("nv", nv as i64), ("px", px), ("rows", rows as i64)];
            let candidate = Candidate::new(SEPARABLE.name, &params);
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some((_, conv, shape, tiling)) = of(region, candidate, target) else { return vec![] };
    let weights = pack_weights(&shape, Layout::Blocked(target.lanes), target.lanes, tiling.nv);
    vec![conv.packing(), Packing { input: 3, ..weights }]
}

fn declared(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    Parts::of(region).map_or(0.0, |parts| {
        let (first, second) = (parts.depthwise(region), parts.pointwise(region));
        error::products(&first, candidate, target) + error::products(&second, candidate, target)
    })
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let Some((parts, conv, shape, tiling)) = of(region, candidate, target) else { return Work::default() };
    let first = parts.depthwise(region);
    let flops = ConvShape::of(&first).map_or(0.0, |s| s.flops());
    let depthwise = depthwise::estimate(&conv, &first, target, flops, 1.0 / multiply_adds_per_cycle(target));
    let pointwise = tiled::seconds(&sum(&shape, target.lanes, &tiling), &tiling, target);
    // What is between is not written to where all of it would lie.
    let (x, made) = (first.inputs[0].bytes() as f64, parts.made.bytes() as f64);
    let spared = made / cost::bandwidth(target, x + made);
    let seconds = depthwise.seconds + pointwise - spared;
    Work { flops: flops + shape.flops(), seconds }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let (parts, conv, shape, tiling) = of(region, candidate, target).ok_or_else(|| {
        illegal(region, candidate, "layouts do not fit, there is one row or column, or parameters are wrong")
    })?;
    let sum = sum(&shape, target.lanes, &tiling);
    tiled::check(region, candidate, &sum, &tiling)?;
    let (first, mut second) = (parts.depthwise(region), parts.pointwise(region));
    second.inputs[0] = region.inputs[0].clone();
    let elems = shape.channels.div_ceil(target.lanes) * sum.x_item as usize;
    let mut rows =
        Rows { region: &first, conv: &conv, shape: &shape, tiling: &tiling, lanes: target.lanes, read: None };
    let mut emitted =
        tiled::emit(SEPARABLE.name, &second, &sum, &tiling, Input::Copied(Operand::Input(0), elems, &mut rows));
    // The product's operands from its weights on stand two further here.
    let extra = rows.read.map_or(0, |(_, tail)| 1 + tail.operands().len());
    let own = emitted.operands.len() - extra;
    for operand in &mut emitted.operands[1..own] {
        if let Operand::Input(k) = operand {
            *k += 2;
        }
    }
    emitted.in_place.iter_mut().for_each(|k| *k += 2);
    Ok(tiled::whole(emitted))
}

/// Makes the rows of an item.
struct Rows<'a> {
    region: &'a Region<'a>,
    conv: &'a Lanewise,
    shape: &'a ConvShape,
    tiling: &'a Tiling,
    lanes: usize,
    /// The depthwise weights, and what is done to the results.
    read: Option<(Buf, Tail)>,
}

impl Fill for Rows<'_> {
    fn declare(&mut self, b: &mut KernelBuilder) -> Vec<Operand> {
        let w = b.buffer("depthwise", DType::F32, elements(&self.region.inputs[1]), Role::Read);
        let tail = Tail::declare(b, self.region);
        let operands = [vec![Operand::Input(1)], tail.operands()].concat();
        self.read = Some((w, tail));
        operands
    }

    fn emit(&self, b: &mut KernelBuilder, (x, to): (Buf, Buf), batch: &[Val], item: Val) {
        let Some((w, tail)) = &self.read else { return };
        let emitter = LanewiseEmitter::new(self.conv, tail, (x, *w, to));
        let (extents, columns) = self.shape.output.split_at(self.shape.output.len() - 1);
        let row = (columns[0] * self.lanes) as i64;
        let first = b.scale(item, self.tiling.rows as i64);
        let (all, full) = (b.index(rows(self.shape) as i64), b.index(self.tiling.rows as i64));
        let left = b.sub(all, first);
        let count = b.binary(BinOp::Min, left, full);
        let zero = b.index(0);
        b.serial(0, self.shape.channels.div_ceil(self.lanes) as i64, |b, block| {
            serial(b, (zero, count), |b, k| {
                let at = b.add(first, k);
                let outputs = b.unflatten(at, extents);
                let out = b.address(0, &[(block, row * self.tiling.rows as i64), (k, row)]);
                emitter.row(b, (batch[0], block, &outputs), out);
            });
        });
    }
}
