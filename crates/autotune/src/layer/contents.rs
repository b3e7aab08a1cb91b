//! What layers are fed: inputs as after an activation (|normal|), weights normal and scaled so that results keep the
//! variance (He et al., "Delving deep into rectifiers", 2015). From a seed, the same everywhere.

use crate::TuneError;
use cnnc_compiler::shapes::Layer;
use cnnc_ir::graph::{Op, seeded};
use cnnc_tensor::Tensor;

/// Spread of constants of the tail.
const TAIL_SPREAD: f32 = 0.1;

/// The contents of a layer's operands.
pub fn of(layer: &Layer) -> Result<Vec<Tensor>, TuneError> {
    let spread = (2.0 / terms(layer) as f32).sqrt();
    let separable = matches!(layer.op, Op::Separable { .. });
    let content = |k: usize| {
        let operand = &layer.operands[k];
        let weights = match k {
            1 => Some(spread),
            3 if separable => Some((2.0 / operand.dims[1].max(1) as f32).sqrt()),
            _ => None,
        };
        let mut tensor = seeded(&operand.ty(), k as u64 + 1).map_err(TuneError::Layer)?;
        for value in tensor.as_slice_mut::<f32>().unwrap_or_default() {
            *value = match (weights, operand.constant) {
                (Some(spread), _) => *value * spread,
                (_, true) => *value * TAIL_SPREAD,
                (_, false) => value.abs(),
            };
        }
        Ok(tensor)
    };
    (0..layer.operands.len()).map(content).collect()
}

/// Products that an element of the result sums (of a transposed convolution: about).
fn terms(layer: &Layer) -> usize {
    let w = &layer.operands[1].dims;
    match layer.op {
        Op::MatMul { trans_b, .. } => w.iter().rev().nth(usize::from(!trans_b)).copied().unwrap_or(1),
        Op::ConvTranspose { .. } => w[0],
        _ => w[1..].iter().product(),
    }
    .max(1)
}
