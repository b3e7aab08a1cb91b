//! The half of a real tile's discrete Fourier transform that is not the conjugate of the other half, and its order.
//!
//! Axes are transformed in place one after the other, the last first. A real line of n elements becomes as many: its
//! frequencies 0 and n / 2, which are real, then real and imaginary part of 1, 2, .. n / 2 - 1. Along the axes before it
//! lines that hold such pairs are complex, and all their frequencies are kept.
//!
//! A product of complex numbers takes three real ones (Gauss): of (a + bi)(c + di) the real part is c (a + b) - b (c + d)
//! and the imaginary part c (a + b) + a (d - c). So a complex frequency is three *points*, a + b, a and b, a real one is
//! one, and filtering is a product at every point.
//!
//! H. Sorensen and others, "Real-valued fast Fourier transform algorithms", 1987.

use std::f64::consts::TAU;

/// Longest tile along an axis.
pub const LONGEST: usize = 32;

/// The half spectrum of tiles of some sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfSpectrum {
    sizes: Vec<usize>,
}

/// Places along an axis: `begin`, `begin + step`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The first.
    pub begin: usize,
    /// How many.
    pub count: usize,
    /// From one to the next.
    pub step: usize,
}

/// Lines of a tile along one axis that are of one kind: one for each combination of places on the other axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Places on each axis, on the line's own the first alone.
    pub places: Vec<Places>,
    /// The axis along which imaginary parts follow real ones; `None` where the lines are real.
    pub imaginary: Option<usize>,
}

impl Lines {
    /// Number of lines.
    pub fn count(&self) -> usize {
        self.places.iter().map(|p| p.count).product()
    }

    /// Points of a line of `size` elements after its transform.
    pub fn points(&self, size: usize) -> usize {
        if self.imaginary.is_some() { 3 * size } else { size.min(2) + 3 * (size / 2).saturating_sub(1) }
    }
}

impl HalfSpectrum {
    /// That of tiles whose sizes are powers of two up to [`LONGEST`]; `None` for others.
    pub fn new(sizes: &[usize]) -> Option<HalfSpectrum> {
        let legal = !sizes.is_empty() && sizes.iter().all(|n| n.is_power_of_two() && *n <= LONGEST);
        let count = sizes.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        (legal && count <= 1 << 20).then(|| HalfSpectrum { sizes: sizes.to_vec() })
    }

    /// Sizes of the tile.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The axis that is transformed last: the first of more than one element.
    pub fn last_axis(&self) -> usize {
        self.sizes.iter().position(|&n| n > 1).unwrap_or(0)
    }

    /// The lines along an axis, where the axes after it are transformed and those before it hold so many elements.
    pub fn lines(&self, axis: usize, before: &[usize]) -> Vec<Lines> {
        let all = |count: usize| Places { begin: 0, count, step: 1 };
        let space: Vec<Places> = before.iter().take(axis).map(|&count| all(count)).collect();
        // Places on the axes from the one after `axis`, built from the last backwards.
        let mut kinds: Vec<(Vec<Places>, Option<usize>)> = vec![(vec![], None)];
        for (k, &size) in self.sizes.iter().enumerate().skip(axis + 1).rev() {
            let mut next = vec![];
            for (places, imaginary) in kinds {
                let mut push = |first: Places, imaginary: Option<usize>| {
                    next.push(([&[first], &places[..]].concat(), imaginary));
                };
                if imaginary.is_some() {
                    push(all(size), imaginary);
                    continue;
                }
                push(all(size.min(2)), None);
                if size > 2 {
                    push(Places { begin: 2, count: size / 2 - 1, step: 2 }, Some(k));
                }
            }
            kinds = next;
        }
        let lines = |(after, imaginary): (Vec<Places>, _)| {
            let places = [&space[..], &[all(1)], &after[..]].concat();
            Lines { places, imaginary }
        };
        kinds.into_iter().map(lines).collect()
    }

    /// The lines along the axis that is transformed last, each with the number of its first point: line by line, a
    /// line's points one after the other.
    pub fn last_lines(&self) -> Vec<(usize, Lines)> {
        let axis = self.last_axis();
        let mut first = 0;
        let numbered = |lines: Lines| {
            let at = first;
            first += lines.count() * lines.points(self.sizes[axis]);
            (at, lines)
        };
        self.lines(axis, &vec![1; axis]).into_iter().map(numbered).collect()
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        let size = self.sizes[self.last_axis()];
        self.last_lines().iter().map(|(_, lines)| lines.count() * lines.points(size)).sum()
    }
}

/// The factors at the points by which a filter multiplies: for tiles of inputs that overlap by the filter, products with
/// them are the points of the outputs' spectrum, but for the last outputs of a tile.
#[derive(Debug)]
pub struct FilterSpectrum {
    spectrum: HalfSpectrum,
    kernel: Vec<usize>,
    /// For each axis, cos and sin of `TAU * k / n` for all k.
    turns: Vec<Vec<(f64, f64)>>,
}

impl FilterSpectrum {
    /// For filters of some extents; `None` where a tile is shorter than they are.
    pub fn new(sizes: &[usize], kernel: &[usize]) -> Option<FilterSpectrum> {
        let spectrum = HalfSpectrum::new(sizes)?;
        let fits = kernel.len() == sizes.len() && kernel.iter().zip(sizes).all(|(r, n)| *r > 0 && r <= n);
        let turn = |n: usize| move |k: usize| ((TAU * k as f64 / n as f64).cos(), (TAU * k as f64 / n as f64).sin());
        let turns = sizes.iter().map(|&n| (0..n).map(turn(n)).collect()).collect();
        fits.then(|| FilterSpectrum { spectrum, kernel: kernel.to_vec(), turns })
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        self.spectrum.points()
    }

    /// Appends the factors of a filter, given row-major.
    pub fn append(&self, filter: &[f64], out: &mut Vec<f64>) {
        let sizes = &self.spectrum.sizes;
        let (rank, count) = (sizes.len(), sizes.iter().product::<usize>());
        let mut strides = vec![1; rank];
        (0..rank - 1).rev().for_each(|k| strides[k] = strides[k + 1] * sizes[k + 1]);
        let mut tile = vec![0.0; count];
        for (at, &tap) in filter.iter().enumerate() {
            let (mut rest, mut to) = (at, 0);
            for k in (0..rank).rev() {
                to += rest % self.kernel[k] * strides[k];
                rest /= self.kernel[k];
            }
            // Factors of one division by the count, which the inverse transform leaves out.
            tile[to] = tap / count as f64;
        }
        let last = self.spectrum.last_axis();
        for axis in (last..rank).rev().filter(|&axis| sizes[axis] > 1) {
            for lines in self.spectrum.lines(axis, &self.kernel) {
                let apart = lines.imaginary.map(|k| strides[k]);
                each_place(&lines.places, &strides, &mut |first| {
                    self.line(&mut tile, axis, first, strides[axis], apart)
                });
            }
        }
        for (_, lines) in self.spectrum.last_lines() {
            let apart = lines.imaginary.map(|k| strides[k]);
            each_place(&lines.places, &strides, &mut |first| {
                let element = |k: usize| tile[first + k * strides[last]];
                match apart {
                    None => {
                        out.extend((0..sizes[last].min(2)).map(element));
                        (1..(sizes[last] / 2).max(1)).for_each(|k| complex(out, element(2 * k), element(2 * k + 1)));
                    }
                    Some(apart) => {
                        (0..sizes[last]).for_each(|k| complex(out, element(k), tile[first + k * strides[last] + apart]))
                    }
                }
            });
        }
    }

    /// The conjugate transform of one line in place.
    fn line(&self, tile: &mut [f64], axis: usize, first: usize, stride: usize, apart: Option<usize>) {
        let (size, turns) = (self.spectrum.sizes[axis], &self.turns[axis]);
        let element = |k: usize| first + k * stride;
        let taps: Vec<(f64, f64)> =
            (0..self.kernel[axis]).map(|k| (tile[element(k)], apart.map_or(0.0, |a| tile[element(k) + a]))).collect();
        // Filtering is correlation: the spectrum of the filter counts frequencies backwards.
        let frequency = |f: usize| {
            taps.iter().enumerate().fold((0.0, 0.0), |(re, im), (k, &(a, b))| {
                let (cos, sin) = turns[f * k % size];
                (re + a * cos - b * sin, im + a * sin + b * cos)
            })
        };
        if let Some(apart) = apart {
            for f in 0..size {
                (tile[element(f)], tile[element(f) + apart]) = frequency(f);
            }
            return;
        }
        (0..size.min(2)).for_each(|k| tile[element(k)] = frequency(k * size / 2).0);
        for f in 1..(size / 2).max(1) {
            (tile[element(2 * f)], tile[element(2 * f + 1)]) = frequency(f);
        }
    }
}

/// The factors c, d - c and c + d of a complex frequency c + di.
fn complex(out: &mut Vec<f64>, c: f64, d: f64) {
    out.extend([c, d - c, c + d]);
}

/// Calls with the element at each combination of places, the last axis fastest.
fn each_place(places: &[Places], strides: &[usize], act: &mut dyn FnMut(usize)) {
    fn descend(places: &[Places], strides: &[usize], at: usize, act: &mut dyn FnMut(usize)) {
        match (places, strides) {
            ([first, places @ ..], [stride, strides @ ..]) => (0..first.count)
                .for_each(|k| descend(places, strides, at + (first.begin + k * first.step) * stride, act)),
            _ => act(at),
        }
    }
    descend(places, strides, 0, act);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_points_for_each_complex_frequency() {
        let points = |sizes: &[usize]| HalfSpectrum::new(sizes).unwrap().points();
        // Real frequencies: those that are 0 or half of the size on every axis.
        assert_eq!(points(&[1]), 1);
        assert_eq!(points(&[8]), 2 + 3 * 3);
        assert_eq!(points(&[16, 16]), 4 + 3 * 126);
        assert_eq!(points(&[1, 8]), 2 + 3 * 3);
        assert_eq!(points(&[8, 1]), 2 + 3 * 3);
        assert_eq!(points(&[2, 8, 4]), 8 + 3 * 28);
    }

    #[test]
    fn what_cannot_be_is_none() {
        for sizes in [&[][..], &[0], &[12], &[64], &[32; 5]] {
            assert_eq!(HalfSpectrum::new(sizes), None);
        }
        assert!(FilterSpectrum::new(&[8], &[9]).is_none() && FilterSpectrum::new(&[8], &[0]).is_none());
        assert!(FilterSpectrum::new(&[8, 8], &[3]).is_none());
    }

    /// A real line's factors against the definition.
    #[test]
    fn factors_are_the_conjugate_spectrum() {
        let (n, filter) = (16, [0.5, -1.25, 3.0]);
        let mut factors = vec![];
        FilterSpectrum::new(&[n], &[3]).unwrap().append(&filter, &mut factors);
        let exact = |f: usize| {
            let angle = |k: usize| TAU * (f * k) as f64 / n as f64;
            let part = |of: fn(f64) -> f64| filter.iter().enumerate().map(|(k, w)| w * of(angle(k))).sum::<f64>();
            (part(f64::cos) / n as f64, part(f64::sin) / n as f64)
        };
        let mut want = vec![exact(0).0, exact(n / 2).0];
        (1..n / 2).map(exact).for_each(|(c, d)| want.extend([c, d - c, c + d]));
        assert_eq!(factors.len(), want.len());
        factors.iter().zip(&want).for_each(|(got, want)| assert!((got - want).abs() < 1e-14, "{got} for {want}"));
    }
}
