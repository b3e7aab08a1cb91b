//! `filter_spectrum`: filters in the domain of Fourier's transform, the packing of FFT convolutions.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use crate::half_spectrum::FilterSpectrum;
use cnnc_tensor::{DType, Tensor};

/// Operand `[O, C, kernel..]`; result `[O, C, points]`.
pub(in crate::graph) fn infer(sizes: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [w] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(matches!(w.dtype, DType::F32 | DType::F64) && w.dims.len() == sizes.len() + 2, || {
        format!("takes filters of f32 or f64 with {} spatial axes, got {w}", sizes.len())
    })?;
    let spectrum = of(sizes, &w.dims)?;
    Ok(vec![TensorType { dims: vec![w.dims[0], w.dims[1], spectrum.points()], ..w.clone() }])
}

/// In f64, rounded once.
pub(in crate::graph) fn eval(sizes: &[usize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let w = inputs[0];
    let spectrum = of(sizes, w.dims())?;
    let taps = w.dims()[2..].iter().product::<usize>();
    let mut factors = Vec::with_capacity(ty.count());
    w.to_f64_vec().chunks_exact(taps.max(1)).for_each(|filter| spectrum.append(filter, &mut factors));
    Ok(vec![f64::tensor(ty, &factors)?])
}

fn of(sizes: &[usize], dims: &[usize]) -> Result<FilterSpectrum, String> {
    FilterSpectrum::new(sizes, &dims[2..])
        .ok_or_else(|| format!("no tiles of {sizes:?} for filters of {:?}", &dims[2..]))
}
