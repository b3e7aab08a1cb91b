//! Estimated time of a Winograd convolution on one thread.

use super::shape::Winograd;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::Target;

/// Share of the traffic that hides behind the products: weights are streamed through few registers.
const HIDDEN: f64 = 0.25;
/// What the transforms take against a count of their instructions: address arithmetic, and points that lie far apart.
const TRANSFORM: f64 = 1.4;

/// Estimated seconds.
pub fn seconds(winograd: &Winograd, target: &Target) -> f64 {
    cycles(winograd, target) / target.ceilings.hertz()
}

fn cycles(winograd: &Winograd, target: &Target) -> f64 {
    let blocking = &winograd.blocking;
    let (points, vector) = (winograd.points() as f64, winograd.lanes as f64 * 4.0);
    let (tiles, blocks) = (winograd.tiles() as f64, winograd.blocks() as f64);
    let (channels, vectors) = (winograd.channel_blocks() as f64, winograd.vectors() as f64);

    let forward = tiles * channels * transform_cycles(winograd, target, true);
    let inverse = tiles * vectors * transform_cycles(winograd, target, false);

    // Register tiles: multiply-adds, or the loads that feed them.
    let (mr, nv) = (blocking.mr as f64, blocking.nv as f64);
    let depth = winograd.shape.channels as f64;
    let loads = if target.lanes >= 16 { nv + mr / 3.0 } else { (nv + mr) / 2.0 };
    // A point's weights of a bundle are read for every register tile, from the cache that holds them.
    let rate = if depth * nv * vector < 0.6 * target.l1 as f64 { target.ceilings.l1 } else { target.ceilings.l2 };
    let streamed = nv * vector / target.ceilings.bytes_per_cycle(rate);
    let slowest = (mr * nv / multiply_adds_per_cycle(target)).max(loads).max(4.0).max(streamed);
    let step = slowest + 0.1 * loads + 0.15 * streamed;
    let last = winograd.tiles() % blocking.tiles;
    let register_tiles =
        (winograd.tiles() / blocking.tiles * (blocking.tiles / blocking.mr) + last.div_ceil(blocking.mr)) as f64;
    let tile = step * depth * 1.03 + mr * nv * 1.5 + 12.0;
    let product = register_tiles * winograd.bundles() as f64 * points * tile * bundle_fill(winograd);

    // Weights come from memory once, and for every further block from wherever they stay: those of a bundle where
    // bundles are outermost, else all.
    let ceilings = &target.ceilings;
    let from = |bytes: f64| {
        let rate = if bytes < 0.7 * target.l2 as f64 {
            ceilings.l2
        } else if bytes < 0.7 * target.l3 as f64 {
            ceilings.l3
        } else {
            ceilings.memory
        };
        ceilings.bytes_per_cycle(rate)
    };
    let weights = points * depth * vectors * vector;
    let kept = if blocking.shared { weights / winograd.bundles() as f64 } else { weights };
    let weight_cycles = weights / ceilings.bytes_per_cycle(ceilings.memory) + (blocks - 1.0) * weights / from(kept);
    // The transformed input is read again for every bundle.
    let input = winograd.product().input_elems() as f64 * 4.0;
    let between = if blocking.shared { blocks * input } else { input };
    let mut input_cycles = winograd.bundles() as f64 * blocks * input / from(between);
    if between > 4.0 * target.l2 as f64 {
        // Written once, through to memory: the next block's lines push it out.
        input_cycles += 2.0 * between / ceilings.bytes_per_cycle(ceilings.memory);
    }
    let image = (winograd.shape.images * winograd.shape.input_pixels()) as f64 * channels * vector;
    let traffic = weight_cycles + input_cycles;
    let calls = if blocking.shared { 6000.0 } else { 3000.0 };
    product + traffic - HIDDEN * traffic.min(product) + TRANSFORM * (forward + inverse) + image / from(image) + calls
}

/// Share of a bundle's vectors that are there, on average.
fn bundle_fill(winograd: &Winograd) -> f64 {
    winograd.vectors() as f64 / (winograd.bundles() * winograd.blocking.nv) as f64
}

/// Cycles of the transform of one tile of one vector of channels.
fn transform_cycles(winograd: &Winograd, target: &Target, forward: bool) -> f64 {
    let rate = multiply_adds_per_cycle(target);
    let mut dims: Vec<f64> = winograd.axes.iter().map(|a| a.points as f64).collect();
    let mut cycles = 25.0;
    for (k, axis) in winograd.axes.iter().enumerate() {
        if axis.points == 1 {
            continue;
        }
        let map = if forward { &axis.forward } else { &axis.inverse };
        let lines: f64 = dims.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, d)| d).product();
        let (loads, stores) = (axis.points as f64, map.results() as f64);
        cycles += lines * ((map.instructions() as f64 / rate).max(stores * 2.0 / rate) + loads / rate * 0.5 + 2.0);
        dims[k] = map.results() as f64;
    }
    cycles
}
