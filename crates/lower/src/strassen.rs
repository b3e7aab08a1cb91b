//! Strassen's matrix product: seven products of half the size in place of eight, for 1x1 convolutions and matrix products
//! with constant weights; with two levels, 49 of a quarter in place of 64.
//!
//! Rows, channels and outputs are halved at each level, into parts. A tile is a row of the first part with its partners in
//! the others; a block of tiles stays in the second-level cache, so that the sums of the parts cost no traffic beyond it.
//! The weights' sums are packed at compile time.
//!
//! V. Strassen, "Gaussian elimination is not optimal", 1969. The error grows by a constant for each level: N. Higham,
//! "Exploiting fast matrix multiplication within the level 3 BLAS", 1990.

mod kernel;
mod shape;

use self::shape::{LEVELS, Place, Strassen};
use crate::tiled::{even, from_memory, illegal, multiply_adds_per_cycle, tallest};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, cost, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{Target, Term};

/// Strassen's product.
pub const STRASSEN: Algorithm = Algorithm {
    name: "strassen",
    about: "1x1 convolution or matrix product by Strassen's seven products of halves, one level or two",
    accuracy: Accuracy::Rounding,
    error: declared_error,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Sums of the input's quarters (rows x channels: 11, 12, 21, 22), a row for each product.
const INPUT: [[isize; 4]; 7] =
    [[1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0], [-1, 0, 1, 0], [0, 1, 0, -1]];
/// Sums of the weights' quarters (channels x outputs).
const WEIGHTS: [[isize; 4]; 7] =
    [[1, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]];
/// Sums of the products, a row for each quarter of the result (rows x outputs).
const OUTPUT: [[isize; 7]; 4] =
    [[1, 0, 0, 1, -1, 0, 1], [0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 0], [1, -1, 1, 0, 0, 1, 0]];
/// How a level amplifies rounding errors.
const AMPLIFICATION: f64 = 3.0;
/// Candidates offered.
const OFFERED: usize = 3;

fn rows_of<const N: usize>(matrix: &[[isize; N]]) -> Vec<Vec<f64>> {
    matrix.iter().map(|row| row.iter().map(|&v| v as f64).collect()).collect()
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let mut timed: Vec<(f64, Candidate)> = vec![];
    for levels in 1..=LEVELS {
        let Some(one) = Strassen::new(region, target, levels, (1, 1, 1)) else { continue };
        // With fewer than two register tiles of rows in a part, three times the weights are read once and hardly used.
        let few = levels > 1 && one.tiles() < 2 * tallest(target, 2);
        if breadth == Breadth::Space || !few {
            blockings(&one, region, target, breadth, &mut timed);
        }
    }
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.truncate(breadth.most(OFFERED));
    timed.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Adds the blockings of a scheme with their estimated times.
fn blockings(one: &Strassen, region: &Region, target: &Target, breadth: Breadth, timed: &mut Vec<(f64, Candidate)>) {
    let tile_bytes = one.product.points * one.product.channels * 4;
    let budgets: &[usize] = match breadth {
        Breadth::Offered => &[target.l2 / 2, 2 * target.l2],
        Breadth::Space => &[target.l2 / 4, target.l2 / 2, target.l2, 2 * target.l2, 4 * target.l2, 8 * target.l2],
    };
    let widths = (1..=4).map(|nv| (nv, tallest(target, nv)));
    for (nv, most) in widths.filter(|&(nv, most)| most > 0 && nv <= one.part_vectors()) {
        for budget in budgets {
            let blocks = one.tiles().div_ceil((budget / tile_bytes).max(1)).next_multiple_of(target.threads);
            let share = one.tiles().div_ceil(blocks);
            // Register tiles as tall as they can be, or so that a block's are equally tall.
            let even = even(share, most);
            let heights = match breadth {
                Breadth::Offered => vec![most, most / 2, even],
                Breadth::Space => (1..=most).rev().collect(),
            };
            for mr in heights.into_iter().filter(|&mr| mr > 0) {
                let tiles = share.next_multiple_of(mr);
                let levels = ("levels", i64::from(one.levels));
                let params = [levels, ("tiles", tiles as i64), ("mr", mr as i64), ("nv", nv as i64)];
                let candidate = Candidate::new(STRASSEN.name, &params);
                let seconds = work(region, &candidate, target).seconds;
                if !timed.iter().any(|(_, c)| *c == candidate) {
                    timed.push((seconds, candidate));
                }
            }
        }
    }
}

fn declared_error(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    let whole = |s: Strassen| error::sum(s.channels as f64) * AMPLIFICATION.powi(s.levels as i32);
    Strassen::of(region, candidate, target).map_or(f64::INFINITY, whole)
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let Some(strassen) = Strassen::of(region, candidate, target) else { return Work { flops: 0.0, seconds: f64::MAX } };
    let product = &strassen.product;
    let (ceilings, vector) = (&target.ceilings, product.lanes as f64 * 4.0);
    let term = |term: Term| target.calibration.get(term);
    let rate = multiply_adds_per_cycle(target);
    let (nv, depth) = (product.nv as f64, product.channels as f64);
    let full = product.register_tiles(strassen.tiles());
    let fill = strassen.part_vectors() as f64 / nv;
    let points = product.points as f64;
    let products = points * full as f64 * fill * product.tile_cycles(1, target);
    // Loads and stores of the sums, and their additions: 30 a vector for one level, with seven and four of each.
    let tiles = strassen.tiles() as f64;
    let (overhead, each) = match strassen.levels {
        1 => (term(Term::StrassenOne), term(Term::StrassenSumsOne)),
        _ => (term(Term::StrassenTwo), term(Term::StrassenSumsTwo)),
    };
    let sums = tiles * (product.channel_blocks() as f64 + strassen.part_vectors() as f64) * each / rate;
    let weights = points * depth * strassen.part_vectors() as f64 * vector;
    let from = if weights < 0.7 * target.l3 as f64 { ceilings.l3 } else { ceilings.memory };
    let blocks = strassen.blocks() as f64;
    let once = from_memory(weights, target);
    // A block's sums are read for every bundle; those that the second-level cache does not hold go to the next and back.
    let input = product.input_elems() as f64 * 4.0;
    let held = input + product.product_elems() as f64 * 4.0 < term(Term::PointBlockInL2) * target.l2 as f64;
    let near = ceilings.bytes_per_cycle(if held { ceilings.l2 } else { ceilings.l3 });
    let times = strassen.bundles() as f64 + if held { 0.0 } else { 2.0 };
    let input = term(Term::StrassenInput) * blocks * times * input / near;
    let traffic = once
        + input
        + (blocks - 1.0) * weights / ceilings.bytes_per_cycle(from)
        + 0.5 * cost::region_bytes(region) / ceilings.bytes_per_cycle(ceilings.l3);
    let hidden =
        (term(Term::PointHidden) * traffic.min(products)).max(term(Term::StrassenAhead) * once.min(products / blocks));
    let cycles = products + sums + traffic - hidden + 3000.0;
    let flops = 2.0 * (strassen.images * strassen.rows) as f64 * strassen.channels as f64 * strassen.outputs as f64;
    let idle = product.imbalance(strassen.tiles(), 1, target);
    Work { flops, seconds: overhead * cycles / ceilings.hertz() * idle }
}

/// `[bundle][product][channel][nv * lanes]`.
fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(strassen) = Strassen::of(region, candidate, target) else { return vec![] };
    let product = &strassen.product;
    let (parts, points) = (strassen.parts(), product.points);
    let (channels, width) = (product.channels, product.nv * product.lanes);
    let outputs = strassen.part_vectors() * product.lanes;
    let pad = |end: Vec<isize>| Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end };
    let mut ops = match (region.op, strassen.place) {
        (Op::MatMul { trans_b: false, .. }, Place::Rows { .. }) => {
            vec![Op::Reshape { dims: vec![strassen.channels, strassen.outputs] }, Op::Transpose { perm: vec![1, 0] }]
        }
        _ => vec![Op::Reshape { dims: vec![strassen.outputs, strassen.channels] }],
    };
    let grow = [parts * outputs - strassen.outputs, parts * channels - strassen.channels];
    if grow != [0, 0] {
        ops.push(pad(grow.iter().map(|&g| g as isize).collect()));
    }
    // `[half, half of it, .., outputs, half, half of it, .., channels]` as `[quarter, quarter of it, .., outputs, channels]`.
    let (levels, rest) = (strassen.levels as usize, [outputs, channels]);
    let halves = vec![2; levels];
    ops.push(Op::Reshape { dims: [&halves[..], &[outputs], &halves, &[channels]].concat() });
    let quarters = (0..levels).flat_map(|level| [levels + 1 + level, level]);
    ops.push(Op::Transpose { perm: quarters.chain([levels, 2 * levels + 1]).collect() });
    ops.push(Op::Reshape { dims: [&vec![4; levels][..], &rest].concat() });
    // The products of each level in its turn, the outermost first.
    let turn: Vec<usize> = (1..levels).chain([0, levels, levels + 1]).collect();
    for _ in 0..levels {
        ops.push(Op::Combine { coefficients: WEIGHTS.iter().flatten().copied().collect() });
        if levels > 1 {
            ops.push(Op::Transpose { perm: turn.clone() });
        }
    }
    if levels > 1 {
        ops.push(Op::Reshape { dims: [&[points], &rest[..]].concat() });
    }
    let more = strassen.bundles() * width - outputs;
    if more > 0 {
        ops.push(pad(vec![0, more as isize, 0]));
    }
    ops.push(Op::Reshape { dims: vec![points, strassen.bundles(), width, channels] });
    ops.push(Op::Transpose { perm: vec![1, 0, 3, 2] });
    vec![Packing { input: 1, ops }]
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let strassen = Strassen::of(region, candidate, target)
        .ok_or_else(|| illegal(region, candidate, "not a large enough product with constant weights"))?;
    Ok(kernel::lower(&strassen, region, STRASSEN.name))
}
