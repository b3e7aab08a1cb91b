//! `grid_sample`: samples an image at a grid of coordinates.

use super::check::{Inferred, all_plain, ensure, exactly, float};
use crate::graph::TensorType;

/// Result dims `[N, C, out..]`.
pub(in crate::graph) fn infer(inputs: &[&TensorType]) -> Inferred {
    let [x, grid] = exactly(inputs)?;
    all_plain(inputs)?;
    float(x)?;
    float(grid)?;
    let rank = x.dims.len();
    let fits = rank >= 3 && grid.dims.len() == rank && grid.dims[0] == x.dims[0] && grid.dims[rank - 1] == rank - 2;
    ensure(fits, || format!("grid {grid} does not fit image {x}"))?;
    let outside = grid.dims[1..rank - 1].iter().all(|&d| d > 0) && x.dims[2..].contains(&0);
    ensure(!outside, || format!("image {x} has no pixels to sample"))?;
    let dims = [&x.dims[..2], &grid.dims[1..rank - 1]].concat();
    Ok(vec![TensorType { dims, ..x.clone() }])
}
