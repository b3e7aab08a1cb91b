//! `filter_transform`: filters in the domain of minimal filtering, the packing of Winograd's convolutions.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use crate::minimal_filtering::MinimalFiltering;
use cnnc_tensor::{DType, Tensor};

/// Operand `[O, C, kernel..]`; each kernel axis k becomes `outputs[k] + kernel[k] - 1` points.
pub(in crate::graph) fn infer(outputs: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [w] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(matches!(w.dtype, DType::F32 | DType::F64) && w.dims.len() == outputs.len() + 2, || {
        format!("takes filters of f32 or f64 with {} spatial axes, got {w}", outputs.len())
    })?;
    let mut dims = w.dims[..2].to_vec();
    for (&m, &r) in outputs.iter().zip(&w.dims[2..]) {
        let filtering = MinimalFiltering::new(m, r).ok_or_else(|| format!("there is no F({m}, {r})"))?;
        dims.push(filtering.points());
    }
    Ok(vec![TensorType { dims, ..w.clone() }])
}

/// In f64, rounded once.
pub(in crate::graph) fn eval(outputs: &[usize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let w = inputs[0];
    let mut values = w.to_f64_vec();
    let mut inner = 1;
    for (&m, &r) in outputs.iter().zip(&w.dims()[2..]).rev() {
        let filtering = MinimalFiltering::new(m, r).ok_or_else(|| format!("there is no F({m}, {r})"))?;
        values = along(&values, &filtering.filter, r, inner);
        inner *= filtering.points();
    }
    Ok(vec![f64::tensor(ty, &values)?])
}

/// A matrix applied along an axis of `size`, inside which `inner` elements lie.
fn along(values: &[f64], matrix: &[Vec<f64>], size: usize, inner: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len() / size.max(1) * matrix.len());
    for slab in values.chunks_exact((size * inner).max(1)) {
        for row in matrix {
            let from = out.len();
            out.resize(from + inner, 0.0);
            for (&factor, line) in row.iter().zip(slab.chunks_exact(inner.max(1))) {
                out[from..].iter_mut().zip(line).for_each(|(sum, v)| *sum += factor * v);
            }
        }
    }
    out
}
