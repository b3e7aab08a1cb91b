//! The tables of a resampling along one axis: which elements make up each result, with what weights.
//!
//! Coordinates are computed in f32, as runtimes do: which element is nearest may hang on the last bit.

use crate::error::{Reason, invalid};
use crate::node::Node;

/// How a position in the result maps to one in the operand (`coordinate_transformation_mode`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// `(x + 0.5) / scale - 0.5`
    HalfPixel,
    /// The same about the centre of the scaled, not yet rounded size.
    HalfPixelSymmetric,
    /// The same, and 0 where the result has one element.
    PytorchHalfPixel,
    /// First and last elements meet.
    AlignCorners,
    /// `x / scale`
    Asymmetric,
    /// `(x + 0.5) / scale`
    TfHalfPixelForNn,
    /// Inside a region of interest, its corners meeting the result's.
    TfCropAndResize,
}

impl Coordinates {
    /// The mode of that name.
    pub fn of(name: &str) -> Result<Coordinates, Reason> {
        Ok(match name {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
            "tf_crop_and_resize" => Coordinates::TfCropAndResize,
            other => return invalid(format!("coordinate_transformation_mode '{other}' is unknown")),
        })
    }
}

/// Which element is nearest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nearest {
    /// The nearer; of two the lower.
    RoundPreferFloor,
    /// The nearer; of two the upper.
    RoundPreferCeil,
    /// The lower.
    Floor,
    /// The upper.
    Ceil,
}

impl Nearest {
    /// The mode of that name.
    pub fn of(name: &str) -> Result<Nearest, Reason> {
        Ok(match name {
            "round_prefer_floor" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => return invalid(format!("nearest_mode '{other}' is unknown")),
        })
    }
}

/// How elements are weighted.
#[derive(Clone, Copy, PartialEq)]
pub enum Kernel {
    /// One element.
    Nearest(Nearest),
    /// A triangle of half width 1.
    Linear,
    /// Keys' cubic of half width 2 with this coefficient (R. Keys, Cubic Convolution Interpolation, 1981).
    Cubic(f64),
}

impl Kernel {
    /// The attribute `mode` with those that belong to it.
    pub fn of(node: &Node) -> Result<Kernel, Reason> {
        Ok(match node.string("mode", "nearest")? {
            "nearest" => Kernel::Nearest(Nearest::of(node.string("nearest_mode", "round_prefer_floor")?)?),
            "linear" | "bilinear" => Kernel::Linear,
            "cubic" => Kernel::Cubic(f64::from(node.float("cubic_coeff_a", -0.75)?)),
            other => return invalid(format!("attribute 'mode' is '{other}', which is unknown")),
        })
    }

    fn radius(self) -> f64 {
        if matches!(self, Kernel::Cubic(_)) { 2.0 } else { 1.0 }
    }

    fn weight(self, distance: f64) -> f64 {
        let d = distance.abs();
        match self {
            Kernel::Nearest(_) => 1.0,
            Kernel::Linear => (1.0 - d).max(0.0),
            Kernel::Cubic(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            Kernel::Cubic(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            Kernel::Cubic(_) => 0.0,
        }
    }
}

/// A resampling along one axis.
pub struct Sampling {
    /// Size of the operand.
    pub input: usize,
    /// Size of the result.
    pub output: usize,
    /// Ratio of the sizes, before the result's was rounded.
    pub scale: f32,
    /// Coordinate mapping.
    pub coordinates: Coordinates,
    /// Weights.
    pub kernel: Kernel,
    /// Start and end of the region of interest, as fractions.
    pub roi: (f32, f32),
    /// Widen the kernel where the result is smaller.
    pub antialias: bool,
    /// Elements outside count nothing, else the edge stands for them.
    pub exclude_outside: bool,
}

/// The tables of one axis, `[output, taps]`.
pub struct Table {
    /// Elements per result.
    pub taps: usize,
    /// Indices inside the operand.
    pub index: Vec<i64>,
    /// Weights.
    pub weight: Vec<f32>,
    /// For a region of interest: which results lie outside the operand.
    pub outside: Vec<bool>,
}

impl Sampling {
    fn position(&self, k: usize) -> f32 {
        let (x, input, output) = (k as f32, self.input as f32, self.output as f32);
        let half_pixel = (x + 0.5) / self.scale - 0.5;
        match self.coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::PytorchHalfPixel if self.output > 1 => half_pixel,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = output / (self.scale * input);
                input / 2.0 * (1.0 - adjustment) + (x + 0.5) / self.scale - 0.5
            }
            Coordinates::AlignCorners if self.output > 1 => x * (input - 1.0) / (output - 1.0),
            Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => x / self.scale,
            Coordinates::TfHalfPixelForNn => (x + 0.5) / self.scale,
            Coordinates::TfCropAndResize => {
                let (start, end) = self.roi;
                if self.output > 1 {
                    start * (input - 1.0) + x * (end - start) * (input - 1.0) / (output - 1.0)
                } else {
                    0.5 * (start + end) * (input - 1.0)
                }
            }
        }
    }

    /// The tables. Sizes are at least 1.
    pub fn table(&self) -> Table {
        let stretch = if self.antialias { f64::from(self.scale).min(1.0) } else { 1.0 };
        let reach = (self.kernel.radius() / stretch).ceil() as i64;
        let taps = if matches!(self.kernel, Kernel::Nearest(_)) { 1 } else { 2 * reach as usize };
        let last = self.input as i64 - 1;
        let mut table = Table { taps, index: vec![], weight: vec![], outside: vec![] };
        for k in 0..self.output {
            let x = self.position(k);
            table.outside.push(x < 0.0 || x > last as f32);
            if let Kernel::Nearest(nearest) = self.kernel {
                let at = match nearest {
                    Nearest::RoundPreferFloor => (x - 0.5).ceil(),
                    Nearest::RoundPreferCeil => (x + 0.5).floor(),
                    Nearest::Floor => x.floor(),
                    Nearest::Ceil => x.ceil(),
                };
                table.index.push((at as i64).clamp(0, last));
                table.weight.push(1.0);
                continue;
            }
            let x = f64::from(x);
            let first = x.floor() as i64 - reach + 1;
            let places: Vec<i64> = (0..taps as i64).map(|t| first.saturating_add(t)).collect();
            let mut weights: Vec<f64> = places.iter().map(|&j| self.kernel.weight((j as f64 - x) * stretch)).collect();
            if self.exclude_outside {
                for (weight, &j) in weights.iter_mut().zip(&places) {
                    *weight = if (0..=last).contains(&j) { *weight } else { 0.0 };
                }
            }
            if self.exclude_outside || self.antialias {
                let sum: f64 = weights.iter().sum();
                weights.iter_mut().for_each(|w| *w /= if sum == 0.0 { 1.0 } else { sum });
            }
            table.index.extend(places.iter().map(|&j| j.clamp(0, last)));
            table.weight.extend(weights.iter().map(|&w| w as f32));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(input: usize, output: usize, kernel: Kernel, coordinates: Coordinates) -> Table {
        let scale = output as f32 / input as f32;
        let (antialias, exclude_outside) = (false, false);
        Sampling { input, output, scale, coordinates, kernel, roi: (0.0, 1.0), antialias, exclude_outside }.table()
    }

    #[test]
    fn weights_sum_to_one() {
        for kernel in [Kernel::Linear, Kernel::Cubic(-0.75)] {
            for (input, output) in [(3, 7), (7, 3), (1, 4), (5, 1)] {
                let table = table(input, output, kernel, Coordinates::HalfPixel);
                for weights in table.weight.chunks(table.taps) {
                    assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
                }
            }
        }
    }

    #[test]
    fn doubling_repeats_elements() {
        let nearest = Kernel::Nearest(Nearest::Floor);
        assert_eq!(table(3, 6, nearest, Coordinates::Asymmetric).index, [0, 0, 1, 1, 2, 2]);
    }
}
