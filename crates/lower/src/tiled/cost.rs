//! Estimated time of a register-tiled sum on one thread.
//!
//! Arithmetic is counted body by body: a body of `positions x vectors` multiply-adds takes as long as its arithmetic,
//! its loads, the latency of its accumulators, or the weights that stream through it from the cache they lie in. To
//! that come the tiles' beginnings and ends, and the first touch of operands and results.

use super::microkernel::unrolled;
use super::{TiledSum, Tiling};
use crate::cost;
use cnnc_tensor::{Target, Term};

/// Cycles from a multiply-add to one that needs its result.
const LATENCY: f64 = 4.0;

/// Plain channels whose rows the first-level cache holds together: images, not what hidden layers make of them.
const FEW_CHANNELS: usize = 4;

/// Multiply-adds on whole vectors that the target starts in a cycle.
pub fn multiply_adds_per_cycle(target: &Target) -> f64 {
    f64::from(target.ceilings.multiply_adds)
}

/// Cycles in which weights of so many bytes come from memory, should nothing hide that.
pub fn from_memory(bytes: f64, target: &Target) -> f64 {
    target.calibration.get(Term::FromMemory) * bytes / target.ceilings.bytes_per_cycle(target.ceilings.memory)
}

/// Cycles of `memory` that pass while the tiles that ask ahead compute for `arithmetic` cycles.
pub fn asked_ahead(memory: f64, arithmetic: f64, target: &Target) -> f64 {
    target.calibration.get(Term::AskedAhead) * memory.min(arithmetic)
}

/// Bytes of a cycle when data that is used again after `bytes` others is read.
fn bytes_per_cycle(target: &Target, bytes: f64) -> f64 {
    let ceilings = &target.ceilings;
    let held = |share: Term, cache: usize| target.calibration.get(share) * cache as f64;
    ceilings.bytes_per_cycle(if bytes <= held(Term::HeldByL1, target.l1) {
        ceilings.l1
    } else if bytes <= held(Term::HeldByL2, target.l2) {
        ceilings.l2
    } else if bytes <= 0.7 * target.l3 as f64 {
        ceilings.l3
    } else {
        ceilings.memory
    })
}

/// Estimated time of a sum under a tiling on one thread, in seconds; for several threads, as if each were as busy as the
/// busiest.
pub fn seconds(sum: &TiledSum, tiling: &Tiling, target: &Target) -> f64 {
    let bundles = if sum.is_copied() { 1 } else { sum.vectors().div_ceil(tiling.nv) };
    let batch: usize = sum.batch.iter().map(|b| b.extent).product();
    let idle = cost::imbalance(target, batch * bundles * tiling.items(sum));
    cycles(sum, tiling, target) / target.ceilings.hertz() * idle
}

fn cycles(sum: &TiledSum, tiling: &Tiling, target: &Target) -> f64 {
    let term = |term: Term| target.calibration.get(term);
    let vector_bytes = (sum.lanes * 4) as f64;
    let (channels, blocks) = (sum.summed_channels(tiling.nv), sum.channels.blocks());
    let chunk = tiling.chunk.min(blocks);
    let chunks = blocks.div_ceil(chunk.max(1)) as f64;
    let row_taps: f64 = sum.rows.iter().map(|r| r.axis.taps as f64).product();
    let row_valid: f64 = sum.rows.iter().map(|r| r.axis.valid_share()).product();
    let taps = row_taps * sum.columns.axis.taps as f64;
    let rows = sum.row_count() as f64;
    let vectors = sum.vectors();
    let bundles = vectors.div_ceil(tiling.nv);
    let batch: usize = sum.batch.iter().map(|b| b.extent).product();
    let columns = sum.columns.axis.outputs as f64;

    // Where the operands of the inner loops come from.
    let input_bytes =
        channels * 4.0 * sum.rows.iter().chain([&sum.columns]).map(|r| r.axis.inputs as f64).product::<f64>();
    let bundle_weights = taps * channels * tiling.nv as f64 * vector_bytes;
    let all_weights = bundle_weights * bundles as f64;
    let tile_input = channels * 4.0 * row_taps * (tiling.mr as f64 * sum.columns.axis.step.max(1) as f64);
    let reuse = (bundle_weights + tile_input) / chunks;
    let weight_rate = bytes_per_cycle(target, reuse);
    // Positions of a plain channel are neighbours: few channels are few lines. The taps of a row are one run of code.
    let few = sum.channels.block == 1 && sum.channels.count <= FEW_CHANNELS;
    let load_rate = term(if few { Term::TiledLoadsNear } else { Term::TiledLoads });
    let of_loop = term(Term::TiledLoop);
    let (of_channel, of_block) = if few { (0.0, of_loop) } else { (of_loop, term(Term::TiledBlock)) };

    let mut row_cycles = 0.0;
    for nv in bundle_sizes(vectors, tiling.nv) {
        let (count, nv) = (nv.0 as f64, nv.1 as f64);
        for segment in sum.columns.axis.segments(tiling.mr) {
            let mut tile = 0.0;
            for valid in segment.valid.iter().filter(|v| !v.is_empty()) {
                let positions = valid.len() as f64;
                let work = positions * nv / multiply_adds_per_cycle(target);
                let weights = nv * vector_bytes / weight_rate;
                // Without a register for it, an input is broadcast by every multiply-add that takes it: free where one of
                // those is started in a cycle.
                let again = multiply_adds_per_cycle(target) > 1.0 && (positions + 1.0) * nv >= target.registers as f64;
                let broadcasts = if again { positions * nv } else { positions };
                let loads = (broadcasts + nv) / load_rate + positions * conflict_cycles(sum, valid.len(), target);
                let issue = (positions * nv + positions + nv) / term(Term::TiledIssue);
                let slowest = work.max(LATENCY).max(loads).max(weights).max(issue)
                    + term(Term::TiledLoadsBeside) * loads.min(work);
                let in_block = sum.channels.block.min(sum.channels.count);
                let repeated = unrolled((valid.len(), nv as usize), sum.lanes, in_block);
                tile += slowest + term(Term::TiledWeightsBeside) * weights.min(work) + of_channel / repeated as f64;
            }
            let ends = segment.outputs as f64 * nv * term(Term::TiledEndOfVector) + term(Term::TiledEnd);
            let partial = (chunks - 1.0) * segment.outputs as f64 * nv * term(Term::TiledPartial);
            row_cycles += count
                * segment.tiles as f64
                * (tile * channels * row_taps * row_valid
                    + ends
                    + partial
                    + of_block * chunks * row_taps * chunk as f64);
        }
    }
    let arithmetic = row_cycles * rows * batch as f64;

    // First touches, and what one order of work items reads again and again.
    let items = (rows / tiling.rows.min(sum.row_count()) as f64)
        .max(if sum.row_count() == 1 { columns / (tiling.tiles * tiling.mr) as f64 } else { 1.0 })
        .max(1.0);
    let weight_passes = if tiling.weights_outer { 1.0 } else { items };
    let input_passes = if tiling.weights_outer { bundles as f64 } else { 1.0 };
    let result_bytes = vectors as f64 * vector_bytes * rows * columns;
    let again = |passes: f64, bytes: f64, between: f64| (passes - 1.0) * bytes / bytes_per_cycle(target, between);
    let item_input = input_bytes / items;
    // Weights come from memory: behind the arithmetic of other tiles, or, where there are none, of several streams.
    let memory = from_memory(all_weights, target);
    let cold = if rows * columns > tiling.mr as f64 {
        memory - asked_ahead(memory, row_cycles * rows, target)
    } else {
        memory * (1.6 / tiling.nv as f64).max(0.5)
    };
    let first = cold
        + input_bytes / bytes_per_cycle(target, 2.0 * input_bytes)
        + result_bytes / bytes_per_cycle(target, 2.0 * result_bytes);
    let repeated = term(Term::WeightsAgain) * again(weight_passes, all_weights, all_weights + item_input)
        + term(Term::InputAgain) * again(input_passes, input_bytes, input_bytes + bundle_weights);
    arithmetic + batch as f64 * (term(Term::FirstTouch) * first + repeated) + 2000.0
}

/// Cycles more for each input that is broadcast, where the inputs of a tile lie on lines of their own (rows of a
/// matrix), and many more where these fall into too few sets of the first-level cache.
fn conflict_cycles(sum: &TiledSum, positions: usize, target: &Target) -> f64 {
    const LINE: usize = 64;
    const WAYS: usize = 8;
    let apart = sum.position_bytes();
    if apart <= 4 * LINE {
        return 0.0;
    }
    let sets = target.l1 / LINE / WAYS;
    let used = if apart.is_multiple_of(LINE) { sets / gcd(apart / LINE, sets) } else { sets };
    match positions.div_ceil(used.max(1)) {
        lines if lines > WAYS => 2.5,
        lines if lines == WAYS => 0.7,
        _ if target.lanes >= 16 => 0.6,
        _ => 0.15,
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// (how many bundles, vectors of each): the full ones and the last.
fn bundle_sizes(vectors: usize, nv: usize) -> Vec<(usize, usize)> {
    let mut sizes = vec![];
    if vectors / nv > 0 {
        sizes.push((vectors / nv, nv));
    }
    if !vectors.is_multiple_of(nv) {
        sizes.push((1, vectors % nv));
    }
    sizes
}
