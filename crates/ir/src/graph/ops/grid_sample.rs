//! `grid_sample`: samples an image at a grid of coordinates.

use super::check::{Inferred, all_plain, ensure, exactly, float};
use super::number::{Evaluated, Number};
use super::{GridMode, GridPadding};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

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

/// In f64; cubic interpolation has the coefficient -0.75.
pub(in crate::graph) fn eval(
    mode: GridMode,
    padding: GridPadding,
    align_corners: bool,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let (x, grid) = (inputs[0], inputs[1]);
    let axes: Vec<Axis> = x.dims()[2..].iter().map(|&size| Axis { size, mode, padding, align_corners }).collect();
    let pixels: usize = x.dims()[2..].iter().product();
    let points: usize = ty.dims[2..].iter().product();
    let channels = x.dims()[1];
    let (values, grid) = (x.to_f64_vec(), grid.to_f64_vec());
    let strides = cnnc_tensor::row_major_strides(&x.dims()[2..]);
    let mut out = vec![0.0; ty.count()];
    for (point, coordinates) in grid.chunks_exact(axes.len()).enumerate() {
        // The last axis comes first in the grid.
        let taps: Vec<Vec<(Option<usize>, f64)>> =
            axes.iter().zip(coordinates.iter().rev()).map(|(axis, &c)| axis.taps(c)).collect();
        let (n, at) = (point / points, point % points);
        for c in 0..channels {
            let image = &values[(n * channels + c) * pixels..][..pixels];
            out[(n * channels + c) * points + at] = sample(image, &strides, &taps);
        }
    }
    Ok(vec![f64::tensor(ty, &out)?])
}

/// The weighted sum over all combinations of the axes' taps; taps outside the image are zero.
fn sample(image: &[f64], strides: &[usize], taps: &[Vec<(Option<usize>, f64)>]) -> f64 {
    let Some((first, rest)) = taps.split_first() else { return image[0] };
    let term = |&(at, weight): &(Option<usize>, f64)| match at {
        Some(at) => weight * sample(&image[at * strides[0]..], &strides[1..], rest),
        None => 0.0,
    };
    first.iter().map(term).sum()
}

/// A spatial axis of the image.
struct Axis {
    size: usize,
    mode: GridMode,
    padding: GridPadding,
    align_corners: bool,
}

impl Axis {
    /// The pixels (none outside) and weights that a normalised coordinate reads.
    fn taps(&self, normalised: f64) -> Vec<(Option<usize>, f64)> {
        let size = self.size as f64;
        let mut at = match self.align_corners {
            true => (normalised + 1.0) / 2.0 * (size - 1.0),
            false => ((normalised + 1.0) * size - 1.0) / 2.0,
        };
        if self.mode == GridMode::Nearest {
            at = at.round_ties_even();
        }
        at = match self.padding {
            // A cubic curve goes on beyond the border; only its pixels are folded back.
            _ if self.mode == GridMode::Cubic => at,
            GridPadding::Zeros => at,
            GridPadding::Border => at.clamp(0.0, size - 1.0),
            GridPadding::Reflection => self.reflected(at),
        };
        let base = at.floor();
        let t = at - base;
        let (first, weights) = match self.mode {
            GridMode::Nearest => (at, vec![1.0]),
            GridMode::Linear => (base, vec![1.0 - t, t]),
            GridMode::Cubic => (base - 1.0, cubic_weights(t).to_vec()),
        };
        weights.into_iter().enumerate().map(|(k, w)| (self.pixel(first + k as f64), w)).collect()
    }

    /// The pixel at a whole coordinate, by the padding's rule.
    fn pixel(&self, at: f64) -> Option<usize> {
        let last = self.size as f64 - 1.0;
        let inside = match self.padding {
            GridPadding::Zeros if !(0.0..=last).contains(&at) => return None,
            GridPadding::Zeros => at,
            GridPadding::Border => at.clamp(0.0, last),
            GridPadding::Reflection => self.reflected(at).clamp(0.0, last),
        };
        // NaN and the coordinates of a broken grid read the first pixel.
        Some((inside as usize).min(self.size - 1))
    }

    /// A coordinate folded back between the borders of the image.
    fn reflected(&self, at: f64) -> f64 {
        let (low, high) = match self.align_corners {
            true => (0.0, self.size as f64 - 1.0),
            false => (-0.5, self.size as f64 - 0.5),
        };
        let range = high - low;
        if range == 0.0 || (low..=high).contains(&at) {
            return at.clamp(low, high);
        }
        let folded = (at - low).rem_euclid(2.0 * range);
        low + folded.min(2.0 * range - folded)
    }
}

/// Weights of the four neighbours of a point at distance `t` behind the second (Keys, 1981).
fn cubic_weights(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}
