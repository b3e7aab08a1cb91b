//! Depthwise convolution: one channel a group, vectors over channels, each input loaded once for the taps of a row.

use super::ConvShape;
use super::lanewise::Lanewise;
use super::shape::is_blocked_f32;
use crate::tiled::{even, illegal, multiply_adds_per_cycle};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::Term;
use cnnc_tensor::{Layout, Target};

/// Depthwise convolution on blocked channels.
pub const DEPTHWISE: Algorithm = Algorithm {
    name: "depthwise",
    about: "depthwise convolution on blocked channels, inputs of a row reused in registers",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Vectors of a result that make a work item worth its call.
const ITEM: usize = 1024;

fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.group_channels() == 1
        && shape.group_outputs() == 1;
    fits.then_some(shape)
}

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Lanewise> {
    from_candidate(fits(region, target)?, candidate, target)
}

/// The convolution under the parameters of a candidate.
pub(super) fn from_candidate(shape: ConvShape, candidate: &Candidate, target: &Target) -> Option<Lanewise> {
    let get = |key: &str| usize::try_from(*candidate.params.get(key)?).ok();
    Lanewise::new(shape, target, get("mr").filter(|&m| m <= 64)?, get("rows")?)
}

/// Candidates of a convolution of small groups: tile widths that registers allow.
pub(super) fn tilings(name: &str, shape: &ConvShape, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(&columns) = shape.output.last().filter(|_| shape.is_nonempty()) else { return vec![] };
    let taps = shape.window.kernel.last().copied().unwrap_or(1);
    let rows = (shape.pixels() / columns).max(1);
    let free = target.registers.saturating_sub(taps.min(target.registers / 2) + 2).max(4);
    let others = (shape.images * shape.outputs.div_ceil(target.lanes)).max(1);
    let wanted = if target.threads > 1 { (6 * target.threads).div_ceil(others) } else { 1 };
    let item_rows = ITEM.div_ceil(columns).min(rows.div_ceil(wanted.min(rows))).max(1);
    let mut widths: Vec<usize> = vec![];
    let (mosts, heights) = match breadth {
        Breadth::Offered => (vec![free.min(16), free.min(8)], vec![item_rows]),
        Breadth::Space => {
            let mut heights: Vec<usize> = (0..10).map(|k| 1 << k).chain([item_rows, rows]).collect();
            heights.retain(|&height| height <= rows);
            heights.sort_unstable();
            heights.dedup();
            ((1..=free.min(24)).rev().collect(), heights)
        }
    };
    for most in mosts {
        for width in [even(columns, most), most] {
            if width <= columns && !widths.contains(&width) {
                widths.push(width);
            }
        }
    }
    let candidate =
        |width: usize, height: usize| Candidate::new(name, &[("mr", width as i64), ("rows", height as i64)]);
    widths.iter().flat_map(|&width| heights.iter().map(move |&height| candidate(width, height))).collect()
}

/// Estimated time of a convolution of small groups.
pub(super) fn estimate(conv: &Lanewise, region: &Region, target: &Target, flops: f64, per_step: f64) -> Work {
    let bytes = cost::region_bytes(region);
    let outputs = region.outputs[0].bytes() as f64 / (4.0 * target.lanes as f64);
    let term = |term: Term| target.calibration.get(term);
    let cycles = conv.vector_steps() * per_step * term(Term::DepthwiseStep)
        + outputs * term(Term::DepthwiseStore)
        + conv.tiles() * term(Term::DepthwiseTile)
        + conv.items() * term(Term::DepthwiseItem);
    let traffic = bytes / cost::bandwidth(target, bytes);
    let arithmetic = cycles / target.ceilings.hertz();
    Work {
        flops,
        seconds: arithmetic.max(traffic) + term(Term::DepthwiseBeside) * arithmetic.min(traffic) + cost::CALL_SECONDS,
    }
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    fits(region, target).map_or(vec![], |shape| tilings(DEPTHWISE.name, &shape, target, breadth))
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    of(region, candidate, target).map_or(vec![], |conv| vec![conv.packing()])
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of(region).map_or(0.0, |s| s.flops());
    of(region, candidate, target).map_or(Work { flops, seconds: 0.0 }, |conv| {
        estimate(&conv, region, target, flops, 1.0 / multiply_adds_per_cycle(target))
    })
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let conv =
        of(region, candidate, target).ok_or_else(|| illegal(region, candidate, "not a depthwise convolution"))?;
    Ok(conv.lower(DEPTHWISE.name, region))
}
