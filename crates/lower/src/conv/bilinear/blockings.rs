//! The blockings worth trying for a convolution by products at points.

use super::cost::{self, TransformCycles};
use super::{Blocking, Tiling};
use crate::Breadth;
use crate::tiled::{even, tallest};
use cnnc_tensor::Target;

/// Blockings offered.
const OFFERED: usize = 12;
/// Estimated time up to which one is offered, over the least.
const WORTH: f64 = 2.0;

/// Blockings for a target, the one of least estimated time first; of those offered at most so many `of_each` size of a
/// tile. Each of the `tilings` has tiles of another size and any blocking, and comes with the time of its transforms.
pub fn blockings(
    tilings: &[(Tiling, TransformCycles)],
    of_each: usize,
    target: &Target,
    breadth: Breadth,
) -> Vec<Blocking> {
    let mut timed: Vec<(f64, Blocking)> = vec![];
    for (tiling, transforms) in tilings {
        for (mr, nv) in register_tiles(tiling.tiles(), target, breadth) {
            if !tiling.takes(nv) {
                continue;
            }
            for tiles in block_sizes(tiling, mr, target, breadth) {
                for shared in [false, true] {
                    let blocking = Blocking { tile: tiling.blocking.tile.clone(), tiles, mr, nv, shared };
                    let tiling = Tiling { blocking: blocking.clone(), ..tiling.clone() };
                    if is_sane(&tiling, target) {
                        timed.push((cost::seconds(&tiling, transforms, target), blocking));
                    }
                }
            }
        }
    }
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.dedup_by(|a, b| a.1 == b.1);
    let worth = timed.first().map_or(0.0, |(seconds, _)| WORTH * seconds);
    let mut found: Vec<Blocking> = vec![];
    for (seconds, blocking) in timed {
        let same = || found.iter().filter(|f| f.tile == blocking.tile).count();
        if breadth == Breadth::Space || (seconds <= worth && same() < of_each) {
            found.push(blocking);
        }
    }
    found.truncate(breadth.most(OFFERED));
    found
}

/// Register tiles (tiles, vectors) for so many tiles in all.
fn register_tiles(tiles: usize, target: &Target, breadth: Breadth) -> Vec<(usize, usize)> {
    let mut found = vec![];
    for nv in [1, 2, 3, 4] {
        let most = tallest(target, nv).min(28);
        // As few as hold all tiles, evenly; or a thread's share of them.
        let share = even(tiles.div_ceil(target.threads), most);
        let heights = match breadth {
            Breadth::Offered => vec![most, even(tiles, most), share, most.div_ceil(2), most * 2 / 3, 4, 1],
            Breadth::Space => (1..=most).rev().collect(),
        };
        for mr in heights {
            if mr > 0 && mr <= most && !found.contains(&(mr, nv)) {
                found.push((mr, nv));
            }
        }
    }
    found
}

/// Tiles of a block: as many as keep a share of the second-level cache, all, or a share for each thread.
fn block_sizes(tiling: &Tiling, mr: usize, target: &Target, breadth: Breadth) -> Vec<usize> {
    let all = tiling.tiles();
    let tile_bytes = tiling.points * tiling.phases() * tiling.channel_blocks() * tiling.lanes * 4;
    let mut sizes: Vec<usize> = vec![];
    let mut budgets = vec![target.l2 / 4, target.l2 / 2, target.l2, 3 * target.l2];
    if breadth == Breadth::Space {
        budgets.extend([target.l2 / 8, 3 * target.l2 / 4, 3 * target.l2 / 2, 2 * target.l2, 6 * target.l2]);
    }
    for budget in budgets {
        let most = (budget / tile_bytes).clamp(1, all);
        // Even blocks, several for every thread.
        let mut blocks = all.div_ceil(most);
        if target.threads > 1 && blocks > 1 {
            blocks = blocks.next_multiple_of(target.threads);
        }
        for size in [all.div_ceil(blocks), all.div_ceil(target.threads)] {
            let size = size.next_multiple_of(mr);
            if !sizes.contains(&size) {
                sizes.push(size);
            }
        }
    }
    sizes
}

/// Whether memory and code of a blocking stay within reason.
fn is_sane(tiling: &Tiling, target: &Target) -> bool {
    let block = tiling.product().input_elems() * 4;
    let products = tiling.product().product_elems() * 4;
    let shared = tiling.blocks() * block;
    products <= 2 * target.l2 && if tiling.blocking.shared { shared <= 4 * target.l3 } else { block <= target.l3 / 2 }
}
