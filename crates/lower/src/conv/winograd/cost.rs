//! Estimated time of a Winograd convolution on one thread.

use super::shape::Winograd;
use crate::tiled::multiply_adds_per_cycle;
use cnnc_tensor::Target;

/// Cycles per second that the figures are stated at.
const CLOCK: f64 = 3.4e9;
/// Bytes of a cycle from the second-level cache, the third and memory.
const FROM_L2: f64 = 28.0;
const FROM_L3: f64 = 12.0;
const FROM_MEMORY: f64 = 6.0;

/// Estimated seconds.
pub fn seconds(winograd: &Winograd, target: &Target) -> f64 {
    cycles(winograd, target) / CLOCK
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
    let step = (mr * nv / multiply_adds_per_cycle(target)).max(loads).max(4.0);
    let last = winograd.tiles() % blocking.tiles;
    let register_tiles =
        (winograd.tiles() / blocking.tiles * (blocking.tiles / blocking.mr) + last.div_ceil(blocking.mr)) as f64;
    let tile = step * depth * 1.03 + mr * nv * 1.5 + 12.0;
    let product = register_tiles * winograd.bundles() as f64 * points * tile * bundle_fill(winograd);

    // Weights come from memory once, and for every further block from wherever they stay.
    let weights = points * depth * vectors * vector;
    let again = if weights < 0.7 * target.l2 as f64 {
        FROM_L2
    } else if weights < 0.7 * target.l3 as f64 {
        FROM_L3
    } else {
        FROM_MEMORY
    };
    let passes = if blocking.shared { 1.0 } else { blocks };
    let weight_cycles = weights / FROM_MEMORY + (passes - 1.0) * weights / again;
    // The transformed input is read again for every bundle.
    let input = winograd.input_block_elems() as f64 * 4.0;
    let input_rate = if input < 0.7 * target.l2 as f64 { FROM_L2 } else { FROM_L3 };
    let input_cycles = winograd.bundles() as f64 * blocks * input / input_rate;
    let image = (winograd.shape.images * winograd.shape.input_pixels()) as f64 * channels * vector;
    let traffic = weight_cycles + input_cycles;
    let hidden = 0.6 * traffic.min(product);
    product + traffic - hidden + forward + inverse + image / FROM_L3 + 3000.0
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
