//! Matrices of minimal filtering F(m, r): `m` outputs of a filter of `r` taps by `m + r - 1` multiplications.
//!
//! `y = A^T [(G g) * (B^T d)]` for `m + r - 1` inputs `d`. The matrices are the transpose of Toom's and Cook's product of
//! polynomials through the interpolation points 0, 1, -1, 2, -2, 1/2, -1/2, ... and infinity, in exact rational
//! arithmetic: nothing is typed in. Points come in pairs p, -p, so that rows and columns do, and 1/p goes with p, which
//! keeps the entries small.
//!
//! A filter with a stride s is the sum of s filters without, its [`Phases`], each over every s-th input. Where one of them
//! has a tap less than the others, its product at infinity is zero and its last input is not needed.
//!
//! S. Winograd, "Arithmetic Complexity of Computations", 1980; A. Lavin and S. Gray, "Fast algorithms for convolutional
//! neural networks", 2015; B. Barabasz and others, "Error analysis and improving the accuracy of Winograd convolution for
//! deep neural networks", 2020.

use num_rational::Ratio;

type Rational = Ratio<i128>;

/// Finite interpolation points, in the order in which they are taken: numerator and denominator.
const POINTS: [(i128, i128); 11] =
    [(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2), (4, 1), (-4, 1), (1, 4), (-1, 4)];

/// The three matrices of F(m, r), by rows. With one tap or one output there is nothing to save: F(1, 1) is the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct MinimalFiltering {
    /// A^T: `m` rows of `m + r - 1`.
    pub output: Vec<Vec<f64>>,
    /// G: `m + r - 1` rows of `r`.
    pub filter: Vec<Vec<f64>>,
    /// B^T: `m + r - 1` rows of as many.
    pub input: Vec<Vec<f64>>,
}

/// A filter with a stride as filters without: its tap `phase + stride * j` is tap j of a phase, and is multiplied with
/// input `phase + stride * (output + j)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Phases that have taps.
    pub count: usize,
    /// Taps of the longest ones.
    pub taps: usize,
    /// How many have as many, those that come first; the others have one tap less.
    pub full: usize,
}

impl Phases {
    /// The phases of a filter of so many taps, at least 1, with a stride of at least 1.
    pub fn of(taps: usize, stride: usize) -> Phases {
        let longest = taps.div_ceil(stride);
        Phases { count: taps.min(stride), taps: longest, full: taps - (longest - 1) * stride }
    }
}

impl MinimalFiltering {
    /// F(`outputs`, `taps`); `None` where either is 0 or there are not enough interpolation points.
    pub fn new(outputs: usize, taps: usize) -> Option<MinimalFiltering> {
        let size = outputs.checked_sub(1)?.checked_add(taps)?;
        if taps == 0 || size > POINTS.len() + 1 {
            return None;
        }
        let points: Vec<Rational> = POINTS[..size - 1].iter().map(|&(n, d)| Rational::new(n, d)).collect();
        let (zero, one) = (Rational::from(0), Rational::from(1));
        let others = |j: usize| points.iter().enumerate().filter(move |(l, _)| *l != j).map(|(_, p)| *p);
        let power = |p: Rational, k: usize| (0..k).fold(one, |product, _| product * p);
        let unit = |length: usize| (0..length).map(move |k| if k + 1 == length { one } else { zero });

        let output = (0..outputs)
            .map(|i| {
                let last = if i + 1 == outputs { one } else { zero };
                points.iter().map(|&p| power(p, i)).chain([last]).collect()
            })
            .collect::<Vec<Vec<Rational>>>();
        let mut filter: Vec<Vec<Rational>> = vec![];
        let mut input: Vec<Vec<Rational>> = vec![];
        for (j, &p) in points.iter().enumerate() {
            let scale = others(j).fold(one, |product, q| product * (p - q));
            filter.push((0..taps).map(|k| power(p, k) / scale).collect());
            let mut row = polynomial(others(j));
            row.push(zero);
            input.push(row);
        }
        filter.push(unit(taps).collect());
        input.push(polynomial(points.iter().copied()));
        Some(MinimalFiltering { output: floats(&output), filter: floats(&filter), input: floats(&input) })
    }

    /// Number of multiplications, and of inputs.
    pub fn points(&self) -> usize {
        self.input.len()
    }

    /// How much a relative error of the products grows on its way to the outputs, against a direct sum, for inputs and
    /// taps that are independent: at least 1 for what is worth calling a transform.
    pub fn amplification(&self) -> f64 {
        let norm = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>();
        let products: Vec<f64> = self.input.iter().zip(&self.filter).map(|(b, g)| norm(b) * norm(g)).collect();
        let of_row = |row: &Vec<f64>| row.iter().zip(&products).map(|(a, p)| a * a * p).sum::<f64>();
        let taps = self.filter[0].len() as f64;
        (self.output.iter().map(of_row).fold(0.0, f64::max) / taps).sqrt()
    }
}

/// Coefficients of the product of `x - root`, lowest power first.
fn polynomial(roots: impl Iterator<Item = Rational>) -> Vec<Rational> {
    let mut coefficients = vec![Rational::from(1)];
    for root in roots {
        let mut next = vec![Rational::from(0); coefficients.len() + 1];
        for (k, &c) in coefficients.iter().enumerate() {
            next[k + 1] += c;
            next[k] -= c * root;
        }
        coefficients = next;
    }
    coefficients
}

fn floats(rows: &[Vec<Rational>]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().map(|v| *v.numer() as f64 / *v.denom() as f64).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(rows: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
        rows.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    #[test]
    fn every_size_filters() {
        for (m, r) in
            [(1, 1), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3), (2, 5), (4, 5), (2, 7), (4, 7), (6, 7), (1, 3), (4, 1)]
        {
            let f = MinimalFiltering::new(m, r).unwrap();
            assert_eq!(f.points(), m + r - 1);
            let d: Vec<f64> = (0..m + r - 1).map(|k| ((k * 7 + 3) % 11) as f64 - 4.0).collect();
            let g: Vec<f64> = (0..r).map(|k| ((k * 5 + 1) % 7) as f64 - 2.5).collect();
            let products: Vec<f64> = apply(&f.input, &d).iter().zip(apply(&f.filter, &g)).map(|(a, b)| a * b).collect();
            for (i, y) in apply(&f.output, &products).into_iter().enumerate() {
                let want: f64 = (0..r).map(|k| d[i + k] * g[k]).sum();
                assert!((y - want).abs() < 1e-9 * want.abs().max(1.0), "F({m},{r}) output {i}: {y} for {want}");
            }
        }
    }

    #[test]
    fn errors_grow_with_the_size() {
        let amplification = |m, r| MinimalFiltering::new(m, r).unwrap().amplification();
        assert!(amplification(2, 3) < amplification(4, 3) && amplification(4, 3) < amplification(6, 3));
        assert!((amplification(1, 1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_is_none() {
        assert_eq!(MinimalFiltering::new(0, 3), None);
        assert_eq!(MinimalFiltering::new(2, 0), None);
        assert_eq!(MinimalFiltering::new(12, 3), None);
        assert_eq!(MinimalFiltering::new(usize::MAX, 3), None);
    }
}
