//! Strassen's matrix product, one level: seven products of half the size in place of eight, for 1x1 convolutions and
//! matrix products with constant weights.
//!
//! Rows, channels and outputs are halved. A tile is a row of the first half with its partner in the second; a block of
//! tiles stays in the second-level cache, so that the sums of the quarters cost no traffic beyond it. The weights' sums
//! are packed at compile time.
//!
//! V. Strassen, "Gaussian elimination is not optimal", 1969. The error grows by a constant for each level: N. Higham,
//! "Exploiting fast matrix multiplication within the level 3 BLAS", 1990.

mod kernel;
mod shape;

use self::shape::{Place, Strassen};
use crate::tiled::{asked_ahead, illegal, multiply_adds_per_cycle};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, cost, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::Target;

/// Strassen's product.
pub const STRASSEN: Algorithm = Algorithm {
    name: "strassen",
    about: "1x1 convolution or matrix product by Strassen's seven products of halves",
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

/// Time over the count of instructions and bytes, as measured: seven half-sized products reuse their operands less than
/// one whole, which 16 registers of 256 bits do not hide and 32 of 512 bits do.
fn overhead(target: &Target) -> f64 {
    if target.registers >= 32 { 1.02 } else { 1.15 }
}

fn rows_of<const N: usize>(matrix: &[[isize; N]]) -> Vec<Vec<f64>> {
    matrix.iter().map(|row| row.iter().map(|&v| v as f64).collect()).collect()
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(one) = Strassen::new(region, target, (1, 1, 1)) else { return vec![] };
    let tile_bytes = 7 * one.product.channels * 4;
    let mut timed: Vec<(f64, Candidate)> = vec![];
    let budgets: &[usize] = match breadth {
        Breadth::Offered => &[target.l2 / 2, 2 * target.l2],
        Breadth::Space => &[target.l2 / 4, target.l2 / 2, target.l2, 2 * target.l2, 4 * target.l2, 8 * target.l2],
    };
    for nv in 1..=4 {
        let most = target.registers.saturating_sub(nv + 1) / nv;
        let heights = match breadth {
            Breadth::Offered => vec![most, most / 2],
            Breadth::Space => (1..=most).rev().collect(),
        };
        for mr in heights.into_iter().filter(|&mr| mr > 0 && nv <= one.half_vectors()) {
            for budget in budgets {
                let blocks = one.tiles().div_ceil((budget / tile_bytes).max(1)).next_multiple_of(target.threads);
                let tiles = one.tiles().div_ceil(blocks).next_multiple_of(mr);
                let params = [("tiles", tiles as i64), ("mr", mr as i64), ("nv", nv as i64)];
                let candidate = Candidate::new(STRASSEN.name, &params);
                let seconds = work(region, &candidate, target).seconds;
                if !timed.iter().any(|(_, c)| *c == candidate) {
                    timed.push((seconds, candidate));
                }
            }
        }
    }
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.truncate(breadth.most(OFFERED));
    timed.into_iter().map(|(_, candidate)| candidate).collect()
}

fn declared_error(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    let whole = |s: Strassen| error::sum(s.channels as f64) * AMPLIFICATION;
    Strassen::of(region, candidate, target).map_or(f64::INFINITY, whole)
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let Some(strassen) = Strassen::of(region, candidate, target) else { return Work { flops: 0.0, seconds: f64::MAX } };
    let product = &strassen.product;
    let (ceilings, vector) = (&target.ceilings, product.lanes as f64 * 4.0);
    let rate = multiply_adds_per_cycle(target);
    let (mr, nv, depth) = (product.mr as f64, product.nv as f64, product.channels as f64);
    let loads = if target.lanes >= 16 { nv + mr / 3.0 } else { (nv + mr) / 2.0 };
    let kept = if depth * nv * vector < 0.6 * target.l1 as f64 { ceilings.l1 } else { ceilings.l2 };
    let streamed = nv * vector / ceilings.bytes_per_cycle(kept);
    let step = (mr * nv / rate).max(loads).max(4.0).max(streamed) + 0.1 * loads + 0.15 * streamed;
    let last = strassen.tiles() % product.tiles;
    let full = strassen.tiles() / product.tiles * (product.tiles / product.mr) + last.div_ceil(product.mr);
    let fill = strassen.half_vectors() as f64 / nv;
    let products = 7.0 * full as f64 * fill * (step * depth * 1.03 + mr * nv * 1.5 + 12.0);
    // Loads and stores of the sums, seven and four of each.
    let tiles = strassen.tiles() as f64;
    let sums = tiles * (product.channel_blocks() as f64 + strassen.half_vectors() as f64) * 30.0 / rate;
    let weights = 7.0 * depth * strassen.half_vectors() as f64 * vector;
    let from = if weights < 0.7 * target.l3 as f64 { ceilings.l3 } else { ceilings.memory };
    let blocks = strassen.blocks() as f64;
    let once = weights / ceilings.bytes_per_cycle(ceilings.memory);
    let traffic = once
        + (blocks - 1.0) * weights / ceilings.bytes_per_cycle(from)
        + 0.5 * cost::region_bytes(region) / ceilings.bytes_per_cycle(ceilings.l3);
    let hidden = (0.25 * traffic.min(products)).max(asked_ahead(once, products / blocks));
    let cycles = products + sums + traffic - hidden + 3000.0;
    let flops = 2.0 * (strassen.images * strassen.rows) as f64 * strassen.channels as f64 * strassen.outputs as f64;
    Work { flops, seconds: overhead(target) * cycles / ceilings.hertz() * cost::imbalance(target, strassen.blocks()) }
}

/// `[bundle][product][channel][nv * lanes]`.
fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(strassen) = Strassen::of(region, candidate, target) else { return vec![] };
    let product = &strassen.product;
    let (half, width) = (product.channels, product.nv * product.lanes);
    let half_outputs = strassen.half_vectors() * product.lanes;
    let pad = |end: Vec<isize>| Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end };
    let mut ops = match (region.op, strassen.place) {
        (Op::MatMul { trans_b: false, .. }, Place::Rows { .. }) => {
            vec![Op::Reshape { dims: vec![strassen.channels, strassen.outputs] }, Op::Transpose { perm: vec![1, 0] }]
        }
        _ => vec![Op::Reshape { dims: vec![strassen.outputs, strassen.channels] }],
    };
    let grow = [2 * half_outputs - strassen.outputs, 2 * half - strassen.channels];
    if grow != [0, 0] {
        ops.push(pad(grow.iter().map(|&g| g as isize).collect()));
    }
    ops.push(Op::Reshape { dims: vec![2, half_outputs, 2, half] });
    ops.push(Op::Transpose { perm: vec![2, 0, 1, 3] });
    ops.push(Op::Reshape { dims: vec![4, half_outputs, half] });
    ops.push(Op::Combine { coefficients: WEIGHTS.iter().flatten().copied().collect() });
    let more = strassen.bundles() * width - half_outputs;
    if more > 0 {
        ops.push(pad(vec![0, more as isize, 0]));
    }
    ops.push(Op::Reshape { dims: vec![7, strassen.bundles(), width, half] });
    ops.push(Op::Transpose { perm: vec![1, 0, 3, 2] });
    vec![Packing { input: 1, ops }]
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let strassen = Strassen::of(region, candidate, target)
        .ok_or_else(|| illegal(region, candidate, "not a large enough product with constant weights"))?;
    Ok(kernel::lower(&strassen, region, STRASSEN.name))
}
