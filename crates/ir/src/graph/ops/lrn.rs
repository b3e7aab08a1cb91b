//! `lrn`: local response normalisation across channels.

use super::check::{Inferred, ensure, exactly, float};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Result type: that of `x`.
pub(in crate::graph) fn infer(size: usize, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    float(x)?;
    ensure(x.dims.len() >= 2 && size > 0, || format!("{size} channels of {x} cannot be summed"))?;
    Ok(vec![x.clone()])
}

/// Channels `c - (size-1)/2 ..= c + size/2` are summed for channel c, in f64.
pub(in crate::graph) fn eval(
    size: usize,
    alpha: u32,
    beta: u32,
    bias: u32,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let [alpha, beta, bias] = [alpha, beta, bias].map(|bits| f64::from(f32::from_bits(bits)));
    let channels = ty.dims[1];
    let plane: usize = ty.dims[2..].iter().product();
    let values = inputs[0].to_f64_vec();
    let mut out = vec![0.0; values.len()];
    for (at, out) in out.iter_mut().enumerate() {
        let (c, offset) = (at / plane % channels, at % plane);
        let base = at / plane / channels * channels;
        let neighbours = c.saturating_sub((size - 1) / 2)..channels.min(c + size / 2 + 1);
        let sum: f64 = neighbours.map(|k| values[(base + k) * plane + offset].powi(2)).sum();
        *out = values[at] / (bias + alpha / size as f64 * sum).powf(beta);
    }
    Ok(vec![f64::tensor(ty, &out)?])
}
