//! Estimated time of a convolution by products at points on one thread.

use super::Tiling;
use crate::point_product::PointGroup;
use crate::tiled::{asked_ahead, from_memory};
use cnnc_tensor::{Target, Term};

/// Cycles in which what is asked for surely comes from memory.
const MEMORY_CYCLES: f64 = 1000.0;

/// Cycles of the transforms of one tile of one vector of channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformCycles {
    /// From the image to the points.
    pub forward: f64,
    /// From the products to the result.
    pub inverse: f64,
}

/// Estimated seconds.
pub fn seconds(tiling: &Tiling, transforms: &TransformCycles, target: &Target) -> f64 {
    cycles(tiling, transforms, target) / target.ceilings.hertz()
}

fn cycles(tiling: &Tiling, transforms: &TransformCycles, target: &Target) -> f64 {
    let term = |term: Term| target.calibration.get(term);
    let blocking = &tiling.blocking;
    let vector = tiling.lanes as f64 * 4.0;
    let groups = tiling.point_groups();
    // Points, each once for every phase that has products there.
    let points = groups.iter().map(|g| g.points() * g.depth()).sum::<usize>() as f64;
    let share = points / (tiling.points * tiling.phases()) as f64;
    let (tiles, blocks) = (tiling.tiles() as f64, tiling.blocks() as f64);
    let (channels, vectors) = (tiling.channel_blocks() as f64, tiling.vectors() as f64);

    // What threads share: blocks; or what makes up blocks, where all are transformed first.
    let (forward, inverse) = (tiles * channels * transforms.forward, tiles * vectors * transforms.inverse);
    let spread = |parts: usize| tiling.product().imbalance(tiling.tiles(), parts, target);
    let (of_input, of_products) = match blocking.shared {
        true => (spread(tiling.channel_blocks()), spread(tiling.bundles())),
        false => (spread(1), spread(1)),
    };

    let depth = tiling.shape.group_channels() as f64;
    let register_tiles = tiling.product().register_tiles(tiling.tiles()) as f64;
    let of_group = |g: &PointGroup| g.points() as f64 * tiling.product().tile_cycles(g.depth(), target);
    let tile: f64 = groups.iter().map(of_group).sum();
    let product = register_tiles * tiling.bundles() as f64 * tile * bundle_fill(tiling);

    // Weights come from memory once, and for every further block from wherever they stay: those of a bundle where
    // bundles are outermost, else all. Vectors that the last bundle lacks are fetched with the others.
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
    let weights = points * depth * (tiling.bundles() * blocking.nv) as f64 * vector;
    let kept = if blocking.shared { weights / tiling.bundles() as f64 } else { weights };
    let once = from_memory(weights, target);
    let weight_cycles = once + term(Term::PointWeightsAgain) * (blocks - 1.0) * weights / from(kept);
    // The transformed input of a group is read again for every bundle of it.
    let input = share * tiling.product().input_elems() as f64 * 4.0;
    let between = if blocking.shared { blocks * input } else { input };
    let mut input_cycles = term(Term::PointInputAgain) * tiling.group_bundles() as f64 * blocks * input / from(between);
    let products = tiling.product().product_elems() as f64 * 4.0;
    let beside = if blocking.shared { 0.0 } else { products };
    if between + beside > term(Term::PointBlockInL2) * target.l2 as f64 {
        input_cycles += term(Term::PointSpills) * blocks * input / ceilings.bytes_per_cycle(ceilings.l3);
    }
    // Products of a bundle are read right after they are written: from half of the second-level cache on, they leave it.
    let left_l2 = (2.0 * products / target.l2 as f64 - 1.0).clamp(0.0, 1.0) * products;
    let products_again = blocks * tiling.bundles() as f64 * left_l2;
    input_cycles += term(Term::PointProducts) * products_again / ceilings.bytes_per_cycle(ceilings.l3);
    if between > 4.0 * target.l2 as f64 {
        // Written once, through to memory: the next block's lines push it out.
        input_cycles += 2.0 * between / ceilings.bytes_per_cycle(ceilings.memory);
    }
    let image = (tiling.shape.images * tiling.shape.input_pixels()) as f64 * channels * vector;
    let result = (tiling.shape.images * tiling.shape.pixels()) as f64 * vectors * vector;
    let traffic = weight_cycles + input_cycles;
    let calls = if blocking.shared { 6000.0 } else { 3000.0 };
    // A point's weights are asked for while those before them are used: too late where that is short, as in small groups.
    let ahead = product / (blocks * (tiling.bundles() * tiling.points) as f64);
    let in_time = (ahead / MEMORY_CYCLES).min(1.0) * asked_ahead(once, product / blocks, target);
    let hidden = (term(Term::PointHidden) * traffic.min(product)).max(in_time);
    let streams = image / from(image) + term(Term::FirstTouch) * result / from(2.0 * result);
    (product + traffic - hidden + inverse) * of_products + forward * of_input + streams + calls
}

/// Share of a bundle's vectors that are there, on average.
fn bundle_fill(tiling: &Tiling) -> f64 {
    tiling.vectors() as f64 / (tiling.bundles() * tiling.blocking.nv) as f64
}
