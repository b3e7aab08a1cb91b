//! FFT convolution: tiles of the image that overlap by the window, multiplied in Fourier's domain, for stride 1.
//!
//! Tiles have n inputs along each axis, a power of two, and their first n - r + 1 outputs are kept (overlap-save). Only half
//! of a real tile's spectrum is computed, by straight-line programs, and a product of complex channels is three real
//! ones, so that a tile of 16x16 takes 382 products for each pair of channels. The more taps the window has, the more
//! direct multiplications that stands for; and other than minimal filtering's, its transforms amplify no rounding errors.
//!
//! Infinite inputs make NaN of their whole tile.
//!
//! M. Mathieu, M. Henaff and Y. LeCun, "Fast training of convolutional networks through FFTs", 2014; A. Zlateski, Z. Jia,
//! K. Li and F. Durand, "FFT convolutions are faster than Winograd on modern CPUs, here is why", 2018.

mod cost;
mod dft;
mod lines;
mod shape;

use self::shape::Fft;
use super::ConvShape;
use super::bilinear::{self, Bilinear, Blocking, fits};
use crate::tiled::illegal;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::Target;

/// FFT convolution on blocked channels.
pub const FFT: Algorithm = Algorithm {
    name: "fft",
    about: "convolution by products of Fourier transforms of overlapping tiles, stride 1",
    accuracy: Accuracy::Rounding,
    error: declared_error,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Sizes of tiles are inputs: the length of a transform.
const SIZE: &str = "n";
/// Candidates offered of each size of tiles: how far a longer one pays depends on the traffic of its weights.
const OF_EACH: usize = 4;
/// What the transforms add to the rounding of the products, whatever their length.
const TRANSFORM_ERROR: f64 = 2.0 * error::EPSILON;

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Fft> {
    let shape = fits(region, target)?;
    let blocking = Blocking::of(candidate, SIZE, shape.input.len())?;
    Fft::new(&shape, blocking, target.lanes)
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    let tiling = |n: Vec<usize>| {
        let any = Blocking { tile: n, tiles: 1, mr: 1, nv: 1, shared: false };
        let fft = Fft::new(&shape, any, target.lanes)?;
        let transforms = cost::transform_cycles(&fft, target);
        Some((fft.tiling, transforms))
    };
    let tilings: Vec<_> = shape::sizes(&shape).into_iter().filter_map(tiling).collect();
    bilinear::blockings(&tilings, OF_EACH, target, breadth).iter().map(|b| b.candidate(FFT.name, SIZE)).collect()
}

fn declared_error(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    let Some(fft) = of(region, candidate, target) else { return f64::INFINITY };
    error::sum(fft.tiling.shape.group_channels() as f64) + TRANSFORM_ERROR + error::tail(region)
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of(region).map_or(0.0, |s| s.flops());
    let estimate = |f: Fft| bilinear::seconds(&f.tiling, &cost::transform_cycles(&f, target), target);
    Work { flops, seconds: of(region, candidate, target).map_or(f64::MAX, estimate) }
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(fft) = of(region, candidate, target) else { return vec![] };
    let mut ops = vec![Op::FilterSpectrum { sizes: fft.tiling.blocking.tile.clone() }];
    ops.extend(bilinear::pack_points(&fft.tiling));
    vec![Packing { input: 1, ops }]
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let fft = of(region, candidate, target).ok_or_else(|| {
        illegal(region, candidate, "not of stride 1, groups are not whole blocks of channels, or parameters do not fit")
    })?;
    Ok(Bilinear { name: FFT.name, tiling: &fft.tiling, transform: &fft }.lower(region))
}
