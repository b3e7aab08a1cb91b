//! The blockings worth trying for a convolution.

use super::cost;
use super::shape::{Blocking, Winograd};
use crate::Breadth;
use crate::conv::ConvShape;
use cnnc_tensor::Target;

/// Blockings offered.
const OFFERED: usize = 12;
/// Outputs of a tile for filters of three taps and for longer ones. More points would amplify errors too much.
const OUTPUTS_OF_THREE: [usize; 5] = [2, 3, 4, 5, 6];
const OUTPUTS_OF_MORE: [usize; 3] = [2, 3, 4];
/// Longest filter: with four outputs, ten points.
const MOST_TAPS: usize = 7;

/// Blockings of a convolution for a target, the one of least estimated time first.
pub fn blockings(shape: &ConvShape, target: &Target, breadth: Breadth) -> Vec<Blocking> {
    let mut timed: Vec<(f64, Blocking)> = vec![];
    for m in outputs(shape) {
        for (mr, nv) in register_tiles(target, breadth) {
            let vectors = shape.outputs.div_ceil(target.lanes);
            if nv > vectors {
                continue;
            }
            for tiles in block_sizes(shape, &m, mr, target, breadth) {
                for shared in [false, true] {
                    let blocking = Blocking { m: m.clone(), tiles, mr, nv, shared };
                    let Some(winograd) = Winograd::new(shape, blocking.clone(), target.lanes) else { continue };
                    if is_sane(&winograd, target) {
                        timed.push((cost::seconds(&winograd, target), blocking));
                    }
                }
            }
        }
    }
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.dedup_by(|a, b| a.1 == b.1);
    timed.truncate(breadth.most(OFFERED));
    timed.into_iter().map(|(_, blocking)| blocking).collect()
}

/// Outputs of a tile along each axis: the same for axes of equally many taps.
fn outputs(shape: &ConvShape) -> Vec<Vec<usize>> {
    let kernel = &shape.window.kernel;
    if kernel.iter().any(|&r| r > MOST_TAPS) {
        return vec![];
    }
    let choices = |taps: usize| match taps {
        1 => vec![1],
        2 | 3 => OUTPUTS_OF_THREE.to_vec(),
        _ => OUTPUTS_OF_MORE.to_vec(),
    };
    let mut found: Vec<Vec<usize>> = vec![];
    for &first in OUTPUTS_OF_THREE.iter().chain(&[1]) {
        for time in [first, 2] {
            // Of three axes the first is often short: it may have a size of its own.
            let m: Option<Vec<usize>> = kernel
                .iter()
                .zip(&shape.output)
                .enumerate()
                .map(|(k, (&taps, &extent))| {
                    let wanted = if taps == 1 {
                        1
                    } else if k == 0 && kernel.len() == 3 {
                        time
                    } else {
                        first
                    };
                    (choices(taps).contains(&wanted) && (wanted <= extent || wanted == 2 || taps == 1))
                        .then_some(wanted)
                })
                .collect();
            found.extend(m.filter(|m| !found.contains(m)));
        }
    }
    found
}

/// Register tiles (tiles, vectors).
fn register_tiles(target: &Target, breadth: Breadth) -> Vec<(usize, usize)> {
    let mut found = vec![];
    for nv in [1, 2, 3, 4] {
        let Some(free) = target.registers.checked_sub(nv + 1) else { continue };
        let most = (free / nv).min(28);
        let heights = match breadth {
            Breadth::Offered => vec![most, most.div_ceil(2), most * 2 / 3, 4, 1],
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
fn block_sizes(shape: &ConvShape, m: &[usize], mr: usize, target: &Target, breadth: Breadth) -> Vec<usize> {
    let one = Blocking { m: m.to_vec(), tiles: mr, mr, nv: 1, shared: false };
    let Some(winograd) = Winograd::new(shape, one, target.lanes) else { return vec![] };
    let all = winograd.tiles();
    let tile_bytes = winograd.points() * winograd.channel_blocks() * winograd.lanes * 4;
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
fn is_sane(winograd: &Winograd, target: &Target) -> bool {
    let block = winograd.product().input_elems() * 4;
    let products = winograd.product().product_elems() * 4;
    let shared = winograd.blocks() * block;
    products <= 2 * target.l2 && if winograd.blocking.shared { shared <= 4 * target.l3 } else { block <= target.l3 / 2 }
}
