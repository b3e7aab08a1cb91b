//! The tilings worth trying for a sum.

use super::{TiledSum, Tiling, seconds};
use crate::Breadth;
use cnnc_tensor::Target;

/// How many tilings an algorithm offers.
const OFFERED: usize = 12;
/// Multiply-adds on vectors of a work item that is worth handing to a thread.
const ITEM: usize = 40_000;

/// Tilings of a sum for a target, the one of least estimated time first. `sum` may have been built for any `nv`.
pub fn tilings(sum: &TiledSum, target: &Target, breadth: Breadth) -> Vec<Tiling> {
    if sum.is_empty() || sum.channels.count == 0 || sum.columns.axis.taps == 0 {
        return vec![];
    }
    let mut found: Vec<Tiling> = vec![];
    for (mr, nv) in register_tiles(sum, target, breadth) {
        for chunk in chunks(sum, nv, target, breadth) {
            // All items of one bundle follow one another on one thread: they are one item, whichever is outer.
            if target.threads == 1 && nv >= sum.vectors() && chunk == sum.channels.blocks() {
                let (rows, tiles) = (sum.row_count(), sum.columns.axis.outputs.div_ceil(mr));
                found.push(Tiling { mr, nv, rows, tiles, chunk, weights_outer: false });
                continue;
            }
            for weights_outer in [true, false] {
                for (rows, tiles) in item_sizes(sum, mr, nv, chunk, weights_outer, target, breadth) {
                    found.push(Tiling { mr, nv, rows, tiles, chunk, weights_outer });
                }
            }
        }
    }
    let mut timed: Vec<(f64, Tiling)> = found.into_iter().map(|t| (seconds(sum, &t, target), t)).collect();
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.truncate(breadth.most(OFFERED));
    timed.into_iter().map(|(_, t)| t).collect()
}

/// Positions of the tallest register tile of so many vectors: all registers but those of a step's weights and one.
pub fn tallest(target: &Target, nv: usize) -> usize {
    target.registers.saturating_sub(nv + 1) / nv
}

/// The size of equal parts of a whole, in as few as parts of at most so many can be.
pub fn even(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most.max(1)).max(1))
}

/// Register tiles (positions, vectors): as many positions as registers allow, or half as many, or any number, spread
/// evenly over the columns.
fn register_tiles(sum: &TiledSum, target: &Target, breadth: Breadth) -> Vec<(usize, usize)> {
    let columns = sum.columns.axis.outputs;
    let mut tiles = vec![];
    for nv in [1, 2, 3, 4, 6, 8, 12, 16] {
        if nv > sum.vectors() || (sum.group_vectors < sum.vectors() && !sum.group_vectors.is_multiple_of(nv)) {
            continue;
        }
        // Four vectors and seven positions are one register too many, but a multiply-add can broadcast from memory: each
        // position four times, which is cheap where they lie side by side.
        let together = sum.position_bytes() <= target.lanes * size_of::<f32>();
        let seven = nv == 4 && target.registers >= 32 && target.lanes >= 16 && together;
        // One vector and all other registers but one: the broadcasts have nowhere to go.
        let fitting = tallest(target, nv).min(28).min(target.registers - 4);
        let most = if seven { 7 } else { fitting };
        if most == 0 || (nv > 4 && columns > most && breadth == Breadth::Offered) {
            continue;
        }
        let even = |most: usize| even(columns, most);
        let wanted: Vec<usize> = match breadth {
            Breadth::Offered => vec![even(most), even(fitting), even(most / 2)],
            Breadth::Space => (1..=most).rev().flat_map(|mr| [even(mr), mr]).collect(),
        };
        for mr in wanted {
            if mr > 0 && mr <= columns && mr <= most && !tiles.contains(&(mr, nv)) {
                tiles.push((mr, nv));
            }
        }
    }
    tiles
}

/// Channel blocks of a chunk: all, and where their weights do not stay in the second-level cache, fewer.
fn chunks(sum: &TiledSum, nv: usize, target: &Target, breadth: Breadth) -> Vec<usize> {
    let blocks = sum.channels.blocks();
    let taps: usize = sum.rows.iter().chain([&sum.columns]).map(|r| r.axis.taps).product();
    let block_bytes = sum.channels.block * taps * nv * sum.lanes * 4;
    let mut chunks = vec![blocks];
    if sum.mixed_groups.is_some() || sum.row_count() * sum.columns.axis.outputs <= 1 {
        return chunks;
    }
    let budgets: &[usize] = match breadth {
        Breadth::Offered => &[target.l2 / 2, target.l1 / 4],
        Breadth::Space => &[target.l2, target.l2 / 2, target.l2 / 4, target.l2 / 8, target.l1, target.l1 / 4],
    };
    for &budget in budgets.iter().filter(|&&budget| blocks * block_bytes > budget) {
        let fitting = (budget / block_bytes.max(1)).max(1);
        let chunk = even(blocks, fitting);
        if chunk < blocks && !chunks.contains(&chunk) {
            chunks.push(chunk);
        }
    }
    chunks
}

/// Rows and column tiles of a work item: one size, or others beside it.
fn item_sizes(
    sum: &TiledSum,
    mr: usize,
    nv: usize,
    chunk: usize,
    weights_outer: bool,
    target: &Target,
    breadth: Breadth,
) -> Vec<(usize, usize)> {
    let usual = item_size(sum, mr, nv, chunk, weights_outer, target);
    let mut sizes = vec![usual];
    if breadth == Breadth::Space && chunk == sum.channels.blocks() {
        let tiles = sum.columns.axis.outputs.div_ceil(mr);
        let by_columns = sum.row_count() == 1;
        let (size, units) = if by_columns { (usual.1, tiles) } else { (usual.0, sum.row_count()) };
        for other in [1, size / 4, size / 2, size * 2, size * 4, units.div_ceil(target.threads)] {
            let other = other.clamp(1, units);
            let size = if by_columns { (1, other) } else { (other, tiles) };
            if !sizes.contains(&size) {
                sizes.push(size);
            }
        }
    }
    sizes
}

/// Rows and column tiles of a work item.
fn item_size(
    sum: &TiledSum,
    mr: usize,
    nv: usize,
    chunk: usize,
    weights_outer: bool,
    target: &Target,
) -> (usize, usize) {
    let (rows, tiles) = (sum.row_count(), sum.columns.axis.outputs.div_ceil(mr));
    let taps: usize = sum.rows.iter().chain([&sum.columns]).map(|r| r.axis.taps).product();
    let tile_work = mr * nv * taps * sum.channels.count;
    let units = if rows == 1 { tiles } else { rows };
    let unit_work = if rows == 1 { tile_work } else { tile_work * tiles };
    let split = chunk < sum.channels.blocks();
    let size = if split && weights_outer {
        units
    } else if weights_outer {
        ITEM.div_ceil(unit_work.max(1))
    } else {
        // As many as keep their input in half of the second-level cache.
        let all_inputs: usize = sum.rows.iter().chain([&sum.columns]).map(|r| r.axis.inputs).product();
        let unit_input = (all_inputs * sum.channels.count * 4).div_ceil(units).max(1);
        (target.l2 / 2).div_ceil(unit_input)
    };
    // Every thread gets some items.
    let others = sum.vectors().div_ceil(nv) * sum.batch.iter().map(|b| b.extent).product::<usize>();
    let wanted = (if target.threads > 1 { 6 * target.threads } else { 1 }).div_ceil(others);
    let most = units.div_ceil(wanted.min(units)).max(1);
    let size = size.clamp(1, most);
    if rows == 1 { (1, size) } else { (size, tiles) }
}
