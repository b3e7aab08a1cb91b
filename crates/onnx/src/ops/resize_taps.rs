//! Tables of taps: which input elements, with which weights, make each output element along a resized axis.

/// How an output coordinate becomes an input coordinate; the names are ONNX's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
    /// `tf_crop_and_resize` with the axis's region of interest in 0..1.
    Crop {
        start: f64,
        end: f64,
    },
}

/// Rounding of the nearest-neighbour interpolation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// Interpolation along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    Nearest(Nearest),
    Linear,
    /// With the coefficient a.
    Cubic(f64),
}

/// All that decides the taps of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisRule {
    /// Input size.
    pub size: usize,
    /// Output size.
    pub out: usize,
    /// Output size by input size, before rounding.
    pub scale: f64,
    pub interpolation: Interpolation,
    pub coordinates: Coordinates,
    /// Widen the filter when shrinking.
    pub antialias: bool,
    /// Taps outside the input weigh nothing (else they read the edge).
    pub exclude_outside: bool,
}

/// A table of taps, row-major `[out, count]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Taps of each output element.
    pub count: usize,
    /// Input index of each tap.
    pub index: Vec<i64>,
    /// Weight of each tap.
    pub weight: Vec<f32>,
    /// Whether each output element's coordinate lies inside the input (only cropping looks outside).
    pub inside: Vec<bool>,
}

impl Taps {
    /// Output size.
    pub fn out(&self) -> usize {
        self.inside.len()
    }

    /// Whether the table copies an axis of that size.
    pub fn is_identity(&self, size: usize) -> bool {
        let copies = |(k, row): (usize, &[i64])| {
            let weights = &self.weight[k * self.count..][..self.count];
            row.iter().zip(weights).all(|(&index, &weight)| weight == 0.0 || (index == k as i64 && weight == 1.0))
        };
        self.out() == size && self.inside.iter().all(|&v| v) && self.index.chunks(self.count).enumerate().all(copies)
    }
}

/// The taps of an axis.
pub fn taps(rule: &AxisRule) -> Taps {
    let mut rows: Vec<Vec<(i64, f64)>> = Vec::with_capacity(rule.out);
    let mut inside = Vec::with_capacity(rule.out);
    for k in 0..rule.out {
        let x = source(rule, k as f64);
        inside.push(
            !matches!(rule.coordinates, Coordinates::Crop { .. }) || (0.0..=(rule.size as f64 - 1.0)).contains(&x),
        );
        rows.push(row(rule, x));
    }
    let count = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let (mut index, mut weight) = (Vec::with_capacity(rule.out * count), Vec::with_capacity(rule.out * count));
    for mut row in rows {
        let last = row.last().map_or(0, |t| t.0);
        row.resize(count, (last, 0.0));
        index.extend(row.iter().map(|t| t.0));
        weight.extend(row.iter().map(|t| t.1 as f32));
    }
    Taps { count, index, weight, inside }
}

/// The input coordinate of an output coordinate.
fn source(rule: &AxisRule, x: f64) -> f64 {
    // The output size before rounding, as ONNX's reference takes it.
    let (size, exact) = (rule.size as f64, rule.scale * rule.size as f64);
    let half_pixel = (x + 0.5) / rule.scale - 0.5;
    match rule.coordinates {
        Coordinates::HalfPixel => half_pixel,
        Coordinates::HalfPixelSymmetric => {
            let adjustment = rule.out as f64 / exact;
            size / 2.0 * (1.0 - adjustment) + half_pixel
        }
        Coordinates::PytorchHalfPixel if rule.out > 1 => half_pixel,
        Coordinates::PytorchHalfPixel => 0.0,
        Coordinates::AlignCorners if rule.out > 1 => x * (size - 1.0) / (exact - 1.0),
        Coordinates::AlignCorners => 0.0,
        Coordinates::Asymmetric => x / rule.scale,
        Coordinates::TfHalfPixelForNn => (x + 0.5) / rule.scale,
        Coordinates::Crop { start, end } if rule.out > 1 => {
            start * (size - 1.0) + x * (end - start) * (size - 1.0) / (exact - 1.0)
        }
        Coordinates::Crop { start, end } => 0.5 * (start + end) * (size - 1.0),
    }
}

/// The taps of one output element: input indices, clamped to the input, with their weights.
fn row(rule: &AxisRule, x: f64) -> Vec<(i64, f64)> {
    // The left neighbour, such that x lies up to 1 to the right of it and never on it.
    let left = x.ceil() - 1.0;
    let ratio = x - left;
    let clamp = |index: f64| (index.max(0.0) as i64).min(rule.size.max(1) as i64 - 1);
    let scale = if rule.antialias { rule.scale.min(1.0) } else { 1.0 };
    let filter = |reach: f64, weigh: &dyn Fn(f64) -> f64| {
        let first = (-reach / scale).floor() + 1.0;
        let taps = (2.0 - 2.0 * first) as usize;
        let mut list: Vec<(f64, f64)> = (0..taps)
            .map(|k| {
                let offset = first + k as f64;
                (left + offset, weigh(((offset - ratio) * scale).abs()))
            })
            .collect();
        if rule.exclude_outside {
            list.iter_mut().filter(|t| t.0 < 0.0 || t.0 >= rule.size as f64).for_each(|t| t.1 = 0.0);
        }
        if rule.exclude_outside || rule.antialias {
            let sum: f64 = list.iter().map(|t| t.1).sum();
            list.iter_mut().for_each(|t| t.1 /= sum);
        }
        list.into_iter().map(|(index, weight)| (clamp(index), weight)).collect()
    };
    match rule.interpolation {
        Interpolation::Nearest(mode) => {
            let right = ratio == 1.0
                || match mode {
                    Nearest::RoundPreferFloor => ratio > 0.5,
                    Nearest::RoundPreferCeil => ratio >= 0.5,
                    Nearest::Floor => false,
                    Nearest::Ceil => true,
                };
            vec![(clamp(if right { left + 1.0 } else { left }), 1.0)]
        }
        Interpolation::Linear => filter(1.0, &|d| (1.0 - d).max(0.0)),
        Interpolation::Cubic(a) => filter(2.0, &|d| cubic(a, d)),
    }
}

/// Keys's cubic convolution kernel at distance d ("Cubic convolution interpolation for digital image processing", 1981).
fn cubic(a: f64, d: f64) -> f64 {
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        a * (((d - 5.0) * d + 8.0) * d - 4.0)
    } else {
        0.0
    }
}
