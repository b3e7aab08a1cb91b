//! The numbers of an FFT convolution: its tiles, and the transforms of their lines.

use super::dft::{self, Form};
use crate::conv::ConvShape;
use crate::conv::bilinear::{Blocking, TileAxis, Tiling};
use crate::straight_line::StraightLine;
use cnnc_ir::half_spectrum::{HalfSpectrum, LONGEST, Lines};

/// Most points of a tile: those of 32x32.
const MOST_POINTS: usize = 1536;

/// The transform of all lines along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The axis.
    pub axis: usize,
    real: StraightLine,
    complex: StraightLine,
}

impl Pass {
    /// The program of some lines.
    pub fn program(&self, lines: &Lines) -> &StraightLine {
        if lines.imaginary.is_some() { &self.complex } else { &self.real }
    }
}

/// A convolution by Fourier's transform under a blocking, whose sizes of tiles are inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Fft {
    /// Its tiles.
    pub tiling: Tiling,
    /// The order of their spectrum.
    pub spectrum: HalfSpectrum,
    /// From the image to the points: the last axis first.
    pub forward: Vec<Pass>,
    /// From the products at the points to the result: the last axis last.
    pub inverse: Vec<Pass>,
}

impl Fft {
    /// The convolution under a blocking; `None` where a window does not fit.
    pub fn new(shape: &ConvShape, blocking: Blocking, lanes: usize) -> Option<Fft> {
        shape.window.strides.iter().all(|&s| s == 1).then_some(())?;
        let spectrum = HalfSpectrum::new(&blocking.tile)?;
        let axis = |(k, (&n, &r)): (usize, (&usize, &usize))| {
            let legal = if r == 1 { n == 1 } else { r < n };
            legal.then(|| TileAxis::new(shape, k, n - r + 1)).flatten()
        };
        let axes = blocking.tile.iter().zip(&shape.window.kernel).enumerate().map(axis).collect::<Option<Vec<_>>>()?;
        let points = spectrum.points();
        let tiling = Tiling { shape: shape.clone(), axes, points, blocking, lanes };
        if points > MOST_POINTS || !tiling.takes(tiling.blocking.nv) {
            return None;
        }
        let (forward, inverse) = passes(&tiling, &spectrum);
        Some(Fft { tiling, spectrum, forward, inverse })
    }
}

fn passes(tiling: &Tiling, spectrum: &HalfSpectrum) -> (Vec<Pass>, Vec<Pass>) {
    let form = |axis: usize| if axis == spectrum.last_axis() { Form::Points } else { Form::Pairs };
    let axes = tiling.axes.iter().enumerate().filter(|(_, a)| a.size > 1);
    let forward = axes.clone().rev().map(|(axis, a)| Pass {
        axis,
        real: dft::real(a.size, form(axis)),
        complex: dft::complex(a.size, form(axis)),
    });
    let inverse = axes.map(|(axis, a)| Pass {
        axis,
        real: dft::real_inverse(a.size, a.m, form(axis)),
        complex: dft::complex_inverse(a.size, a.m, form(axis)),
    });
    (forward.collect(), inverse.collect())
}

/// Sizes of tiles worth trying: the same on all axes, but no longer than what the image needs.
pub fn sizes(shape: &ConvShape) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![];
    for wanted in [8, 16, LONGEST] {
        let along = |(&r, &output): (&usize, &usize)| match r {
            1 => Some(1),
            _ => Some((output + r - 1).next_power_of_two().min(wanted)).filter(|&n| r < n),
        };
        let sizes: Option<Vec<usize>> = shape.window.kernel.iter().zip(&shape.output).map(along).collect();
        found.extend(sizes.filter(|n| !found.contains(n)));
    }
    found
}
