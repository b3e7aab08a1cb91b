//! Discrete Fourier transforms of lines as straight-line programs: complex ones, and real ones by half spectra.
//!
//! Radix 2, decimation in time forward and for complex lines, in frequency from half spectra back. A factor
//! `cos + i sin` is written as its larger part times a number whose parts are 1 and at most 1, so that a butterfly is six
//! multiply-adds (Linzer and Feig). Transforms are not scaled: the filters are (see `cnnc_ir::half_spectrum`).
//!
//! J. Cooley and J. Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965; E. Linzer and
//! E. Feig, "Implementation of efficient FFT algorithms on fused multiply-add architectures", 1993.

use crate::straight_line::{StraightLine, Term};
use std::f64::consts::TAU;

#[derive(Clone, Copy, Debug)]
struct Complex {
    re: Term,
    im: Term,
}

impl Complex {
    fn conjugate(self) -> Complex {
        Complex { im: self.im.times(-1.0), ..self }
    }
}

/// The frequencies of a real line of an even number of elements.
struct Half {
    /// Frequency 0, which is real.
    zero: Term,
    /// The highest, which is real.
    highest: Term,
    /// Those between.
    between: Vec<Complex>,
}

/// How the frequencies of a line lie among the operands or results of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are: of a real line the two real frequencies and then pairs, of a complex one all real parts and then all
    /// imaginary ones.
    Pairs,
    /// As points, three for a complex number.
    Points,
}

/// The transform of a real line of `size` elements, a power of two from 2.
pub fn real(size: usize, to: Form) -> StraightLine {
    let (mut p, x) = StraightLine::new(size);
    let Half { zero, highest, between } = real_line(&mut p, &x);
    p.result(zero);
    p.result(highest);
    for x in between {
        match to {
            Form::Pairs => [x.re, x.im].into_iter().for_each(|part| p.result(part)),
            Form::Points => points(&mut p, x),
        }
    }
    p.finish()
}

/// The transform of a complex line. Operands are all real parts and then all imaginary ones.
pub fn complex(size: usize, to: Form) -> StraightLine {
    let (mut p, x) = StraightLine::new(2 * size);
    let x = pairs(&x);
    let spectrum = complex_line(&mut p, &x, -1.0);
    match to {
        Form::Pairs => results(&mut p, &spectrum),
        Form::Points => spectrum.into_iter().for_each(|x| points(&mut p, x)),
    }
    p.finish()
}

/// The first `kept` elements of the real line that has a half spectrum.
pub fn real_inverse(size: usize, kept: usize, from: Form) -> StraightLine {
    let pair = if from == Form::Points { 3 } else { 2 };
    let (mut p, x) = StraightLine::new(2 + pair * (size / 2 - 1));
    let between = x[2..].chunks_exact(pair).map(|x| number(&mut p, x)).collect();
    let line = real_inverse_line(&mut p, Half { zero: x[0], highest: x[1], between });
    line.into_iter().take(kept).for_each(|x| p.result(x));
    p.finish()
}

/// The first `kept` elements of the complex line that has a spectrum: their real parts and then their imaginary ones.
pub fn complex_inverse(size: usize, kept: usize, from: Form) -> StraightLine {
    let (mut p, x) = match from {
        Form::Pairs => StraightLine::new(2 * size),
        Form::Points => StraightLine::new(3 * size),
    };
    let spectrum = match from {
        Form::Pairs => pairs(&x),
        Form::Points => x.chunks_exact(3).map(|x| number(&mut p, x)).collect(),
    };
    let line = complex_line(&mut p, &spectrum, 1.0);
    results(&mut p, &line[..kept]);
    p.finish()
}

/// Complex numbers of all real parts and then all imaginary ones.
fn pairs(parts: &[Term]) -> Vec<Complex> {
    let (re, im) = parts.split_at(parts.len() / 2);
    re.iter().zip(im).map(|(&re, &im)| Complex { re, im }).collect()
}

fn results(p: &mut StraightLine, numbers: &[Complex]) {
    numbers.iter().for_each(|x| p.result(x.re));
    numbers.iter().for_each(|x| p.result(x.im));
}

/// Makes the three points of a number results.
fn points(p: &mut StraightLine, x: Complex) {
    let sum = p.add(x.re, x.im);
    [sum, x.re, x.im].into_iter().for_each(|point| p.result(point));
}

/// A number of its two parts, or of the products at its three points.
fn number(p: &mut StraightLine, parts: &[Term]) -> Complex {
    match *parts {
        [common, a, b] => Complex { re: p.sub(common, b), im: p.add(common, a) },
        _ => Complex { re: parts[0], im: parts[1] },
    }
}

/// `u + w v` and `u - w v`, where w is `turn` of a whole turn.
fn butterfly(p: &mut StraightLine, u: Complex, v: Complex, turn: f64) -> (Complex, Complex) {
    let v = rotated(p, v, turn);
    let sum = Complex { re: p.add(u.re, v.re), im: p.add(u.im, v.im) };
    (sum, Complex { re: p.sub(u.re, v.re), im: p.sub(u.im, v.im) })
}

/// A number turned by `turn` of a whole turn.
fn rotated(p: &mut StraightLine, x: Complex, turn: f64) -> Complex {
    // A quarter turn is exact.
    let quarters = 4.0 * turn;
    if quarters.fract() == 0.0 {
        let quarter = |x: Complex| Complex { re: x.im.times(-1.0), im: x.re };
        return (0..quarters.rem_euclid(4.0) as usize).fold(x, |x, _| quarter(x));
    }
    let (cos, sin) = ((TAU * turn).cos(), (TAU * turn).sin());
    // An eighth of a turn has parts of one size, which rounding may not tell apart.
    let tangent = if (8.0 * turn).fract() == 0.0 { (sin / cos).signum() } else { sin / cos };
    if tangent.abs() <= 1.0 {
        let (re, im) = (p.sub(x.re, x.im.times(tangent)), p.add(x.im, x.re.times(tangent)));
        return Complex { re: re.times(cos), im: im.times(cos) };
    }
    let (re, im) = (p.sub(x.re.times(1.0 / tangent), x.im), p.add(x.re, x.im.times(1.0 / tangent)));
    Complex { re: re.times(sin), im: im.times(sin) }
}

/// Elements at even and at odd places.
fn halves<T: Copy>(x: &[T]) -> (Vec<T>, Vec<T>) {
    (x.iter().copied().step_by(2).collect(), x.iter().copied().skip(1).step_by(2).collect())
}

/// `sum over n of x[n] exp(sign i TAU k n / size)` for all k.
fn complex_line(p: &mut StraightLine, x: &[Complex], sign: f64) -> Vec<Complex> {
    if x.len() == 1 {
        return x.to_vec();
    }
    let (even, odd) = halves(x);
    let (even, odd) = (complex_line(p, &even, sign), complex_line(p, &odd, sign));
    let both = even.iter().zip(&odd).enumerate();
    let (low, high): (Vec<_>, Vec<_>) =
        both.map(|(k, (&u, &v))| butterfly(p, u, v, sign * k as f64 / x.len() as f64)).unzip();
    [low, high].concat()
}

fn real_line(p: &mut StraightLine, x: &[Term]) -> Half {
    if x.len() == 2 {
        return Half { zero: p.add(x[0], x[1]), highest: p.sub(x[0], x[1]), between: vec![] };
    }
    let (even, odd) = halves(x);
    let (even, odd) = (real_line(p, &even), real_line(p, &odd));
    let (zero, highest) = (p.add(even.zero, odd.zero), p.sub(even.zero, odd.zero));
    let both = even.between.iter().zip(&odd.between).enumerate();
    let (low, high): (Vec<_>, Vec<_>) =
        both.map(|(k, (&u, &v))| butterfly(p, u, v, -((k + 1) as f64) / x.len() as f64)).unzip();
    // At a quarter of the size the turn is -i, and both halves are real.
    let middle = Complex { re: even.highest, im: odd.highest.times(-1.0) };
    let mirrored = high.into_iter().rev().map(Complex::conjugate);
    Half { zero, highest, between: low.into_iter().chain([middle]).chain(mirrored).collect() }
}

/// Elements at even places have the sums of frequencies k and size / 2 + k as their spectrum, those at odd places the
/// turned differences.
fn real_inverse_line(p: &mut StraightLine, x: Half) -> Vec<Term> {
    let (zero, highest) = (p.add(x.zero, x.highest), p.sub(x.zero, x.highest));
    let Some(&middle) = x.between.get(x.between.len() / 2) else { return vec![zero, highest] };
    let size = 2 * (x.between.len() + 1);
    let mut even = Half { zero, highest: middle.re.times(2.0), between: vec![] };
    let mut odd = Half { zero: highest, highest: middle.im.times(-2.0), between: vec![] };
    for (k, (&low, &high)) in x.between.iter().zip(x.between.iter().rev()).take(size / 4 - 1).enumerate() {
        let (u, v) = (low, high.conjugate());
        even.between.push(Complex { re: p.add(u.re, v.re), im: p.add(u.im, v.im) });
        let difference = Complex { re: p.sub(u.re, v.re), im: p.sub(u.im, v.im) };
        odd.between.push(rotated(p, difference, (k + 1) as f64 / size as f64));
    }
    let (even, odd) = (real_inverse_line(p, even), real_inverse_line(p, odd));
    even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f64> {
        (0..count).map(|k| ((k * 37 + 11) % 29) as f64 / 7.0 - 2.0).collect()
    }

    fn assert_near(got: &[f64], want: &[f64], what: &str) {
        assert_eq!(got.len(), want.len(), "{what}");
        got.iter().zip(want).for_each(|(got, want)| assert!((got - want).abs() < 1e-11, "{what}: {got} for {want}"));
    }

    /// By the definition.
    fn dft(x: &[(f64, f64)], sign: f64) -> Vec<(f64, f64)> {
        let turn = |k: usize, n: usize| sign * TAU * (k * n % x.len()) as f64 / x.len() as f64;
        let term = |(re, im): (f64, f64), angle: f64| {
            (re * angle.cos() - im * angle.sin(), re * angle.sin() + im * angle.cos())
        };
        let sum =
            |k| x.iter().enumerate().map(|(n, &x)| term(x, turn(k, n))).fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
        (0..x.len()).map(sum).collect()
    }

    fn parts(x: &[(f64, f64)]) -> Vec<f64> {
        x.iter().map(|x| x.0).chain(x.iter().map(|x| x.1)).collect()
    }

    fn points_of(x: &[(f64, f64)]) -> Vec<f64> {
        x.iter().flat_map(|&(re, im)| [re + im, re, im]).collect()
    }

    /// Products at points whose number is x.
    fn products_of(x: &[(f64, f64)]) -> Vec<f64> {
        x.iter().flat_map(|&(re, im)| [0.25, im - 0.25, 0.25 - re]).collect()
    }

    #[test]
    fn complex_lines() {
        for size in [2, 4, 8, 16, 32] {
            let values = noise(2 * size);
            let x: Vec<(f64, f64)> = values[..size].iter().copied().zip(values[size..].iter().copied()).collect();
            let spectrum = dft(&x, -1.0);
            assert_near(&complex(size, Form::Pairs).evaluate(&values), &parts(&spectrum), "forward");
            assert_near(&complex(size, Form::Points).evaluate(&values), &points_of(&spectrum), "forward to points");
            let kept = size - 1;
            let inverse = parts(&dft(&x, 1.0)[..kept]);
            assert_near(&complex_inverse(size, kept, Form::Pairs).evaluate(&values), &inverse, "inverse");
            let products = products_of(&x);
            assert_near(
                &complex_inverse(size, kept, Form::Points).evaluate(&products),
                &inverse,
                "inverse of products",
            );
        }
    }

    #[test]
    fn real_lines() {
        for size in [2, 4, 8, 16, 32] {
            let values = noise(size);
            let spectrum = dft(&values.iter().map(|&x| (x, 0.0)).collect::<Vec<_>>(), -1.0);
            let ends = [spectrum[0].0, spectrum[size / 2].0];
            let between = &spectrum[1..size / 2];
            let packed = [&ends[..], &between.iter().flat_map(|x| [x.0, x.1]).collect::<Vec<_>>()].concat();
            assert_near(&real(size, Form::Pairs).evaluate(&values), &packed, "forward");
            let points = [&ends[..], &points_of(between)].concat();
            assert_near(&real(size, Form::Points).evaluate(&values), &points, "forward to points");
            let scaled: Vec<f64> = values.iter().map(|x| x * size as f64).take(size - 1).collect();
            assert_near(&real_inverse(size, size - 1, Form::Pairs).evaluate(&packed), &scaled, "inverse");
            let products = [&ends[..], &products_of(between)].concat();
            assert_near(&real_inverse(size, size - 1, Form::Points).evaluate(&products), &scaled, "of products");
        }
    }

    #[test]
    fn butterflies_are_six_multiply_adds() {
        assert_eq!(complex(16, Form::Pairs).instructions(), 148);
        // Of the mirrored half and at the quarter, the sign is an instruction of its own.
        assert!(real(16, Form::Pairs).instructions() <= 64);
        assert!(real_inverse(16, 16, Form::Pairs).instructions() <= 61);
    }
}
