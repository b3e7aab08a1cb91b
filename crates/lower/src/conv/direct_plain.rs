//! Direct convolution on the plain layout: vectors along the last axis, a register tile of output channels x vectors.
//!
//! For few output channels, which would leave most lanes of a block empty. A work item is a run of one output row for one
//! group. It first copies the input rows that it reads into scratch, with the padding written out and the columns of each
//! phase of the stride side by side: so every tap of every vector is one plain load. Weights are packed
//! `[group][tile][channel][taps..][mr]`, whole groups at a time. The pixels of a 1x1 convolution are one row.

use super::ConvShape;
use super::plain_kernel::PlainConv;
use super::sum::group_order;
use crate::cost::imbalance;
use crate::tail::Tail;
use crate::tiled::{illegal, multiply_adds_per_cycle, tallest};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{DType, Layout, Target, Term};

/// Direct convolution on plain channels.
pub const DIRECT_PLAIN: Algorithm = Algorithm {
    name: "direct_plain",
    about: "direct convolution on the plain layout, vectors along rows, for few output channels",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Scratch elements above which a run of a row is made shorter.
const SCRATCH: usize = 64 << 10;
/// Vectors of the longest run.
const RUN: usize = 32;

fn fits(region: &Region) -> Option<ConvShape> {
    let shape = ConvShape::of_any_order(region)?;
    let types = region.inputs.iter().chain(&region.outputs);
    let plain = types.clone().all(|t| t.layout == Layout::Plain);
    let float = region.inputs[..2].iter().chain(&region.outputs).all(|t| t.dtype == DType::F32);
    let shape = if Tail::needs_coordinates(region) { shape } else { shape.flattened() };
    (plain && float && shape.is_nonempty() && Tail::is_readable(region)).then_some(shape)
}

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<PlainConv> {
    let get = |key: &str| usize::try_from(*candidate.params.get(key)?).ok().filter(|&v| v > 0);
    let (mr, nv, run) = (get("mr")?, get("nv")?, get("run")?);
    let shape = fits(region)?;
    let row = shape.output[shape.output.len() - 1].div_ceil(target.lanes);
    let legal = mr <= 64 && nv <= 64 && mr * nv <= 64;
    legal.then_some(PlainConv { shape, lanes: target.lanes, mr, nv, run: run.min(row).next_multiple_of(nv) })
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region) else { return vec![] };
    let row = shape.output[shape.output.len() - 1].div_ceil(target.lanes);
    let mut found: Vec<Candidate> = vec![];
    for nv in [8, 6, 4, 2, 1] {
        let most = tallest(target, nv).min(shape.group_outputs());
        if most == 0 || nv > row.next_power_of_two() {
            continue;
        }
        let even = |most: usize| shape.group_outputs().div_ceil(shape.group_outputs().div_ceil(most));
        let heights = match breadth {
            Breadth::Offered => vec![even(most)],
            Breadth::Space => (1..=most).rev().map(even).collect(),
        };
        let elems = |run| PlainConv { shape: shape.clone(), lanes: target.lanes, mr: 1, nv, run }.scratch_elems();
        let runs = runs(row, nv, &|run| run <= RUN && elems(run) <= SCRATCH);
        for (mr, &run) in heights.into_iter().flat_map(|mr| runs.iter().map(move |run| (mr, run))) {
            let params = [("mr", mr as i64), ("nv", nv as i64), ("run", run as i64)];
            let candidate = Candidate::new(DIRECT_PLAIN.name, &params);
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found
}

/// Runs of a row of so many vectors that fit: the row in 1, 2, 4, ... even parts, or the shortest there is.
fn runs(row: usize, nv: usize, fits: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let parts = std::iter::successors(Some(1), |parts| Some(2 * parts)).take_while(|&parts| parts < 2 * row);
    let mut runs: Vec<usize> =
        parts.map(|parts| row.div_ceil(parts).next_multiple_of(nv)).filter(|&r| fits(r)).collect();
    runs.dedup();
    if runs.is_empty() { vec![nv] } else { runs }
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(conv) = of(region, candidate, target) else { return vec![] };
    let shape = &conv.shape;
    let (tiles, outputs) = (conv.tiles(), shape.group_outputs());
    let inner = shape.group_channels() * shape.taps();
    let mut ops = group_order(shape);
    ops.push(Op::Reshape { dims: vec![shape.groups, outputs, inner] });
    let grow = tiles * conv.mr - outputs;
    if grow > 0 {
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; 3], end: vec![0, grow as isize, 0] });
    }
    ops.push(Op::Reshape { dims: vec![shape.groups, tiles, conv.mr, inner] });
    ops.push(Op::Transpose { perm: vec![0, 1, 3, 2] });
    vec![Packing { input: 1, ops }]
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let Some(conv) = of(region, candidate, target) else { return Work::default() };
    let shape = &conv.shape;
    let row = shape.output[shape.output.len() - 1];
    let rows = (shape.images * shape.pixels() / row) as f64;
    let runs = row.div_ceil(conv.run * conv.lanes) as f64;
    let vectors = row.div_ceil(conv.lanes).next_multiple_of(conv.nv) as f64;
    let (mr, nv) = (conv.mr as f64, conv.nv as f64);
    let bodies =
        rows * vectors / nv * (shape.groups * conv.tiles()) as f64 * (shape.group_channels() * shape.taps()) as f64;
    // Half of the loads of vectors cross a cache line.
    let body = (mr * nv / multiply_adds_per_cycle(target)).max((mr + 1.5 * nv) / 1.6).max(4.0) + 2.0;
    let stride = shape.window.strides[shape.window.strides.len() - 1];
    let per_copy = if stride == 1 { 6.0 / conv.lanes as f64 } else { 3.0 };
    let copied = rows * runs * conv.scratch_elems() as f64 * per_copy;
    let stores = rows * vectors * shape.outputs as f64 * target.calibration.get(Term::PlainStore);
    let busiest = imbalance(target, (rows * runs) as usize * shape.groups);
    let cycles = (target.calibration.get(Term::PlainBody) * bodies * body + copied + stores) * busiest + 2000.0;
    Work { flops: shape.flops(), seconds: cycles / target.ceilings.hertz() }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let conv = of(region, candidate, target).ok_or_else(|| {
        illegal(region, candidate, "an operand is blocked or of another type, or parameters are wrong")
    })?;
    Ok(conv.lower(DIRECT_PLAIN.name, region))
}
