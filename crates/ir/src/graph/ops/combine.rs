//! `combine`: weighted sums along axis 0 with small whole coefficients, the packing of Strassen's products.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};

/// Operand `[n, ..]`; result `[coefficients / n, ..]`.
pub(in crate::graph) fn infer(coefficients: &[isize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    let parts = x.dims.first().copied().unwrap_or(0);
    ensure(
        matches!(x.dtype, DType::F32 | DType::F64) && parts > 0 && coefficients.len().is_multiple_of(parts),
        || format!("{} coefficients do not fit {x}", coefficients.len()),
    )?;
    let mut dims = x.dims.clone();
    dims[0] = coefficients.len() / parts;
    Ok(vec![TensorType { dims, ..x.clone() }])
}

/// Sums in f64, rounded once.
pub(in crate::graph) fn eval(coefficients: &[isize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let values = inputs[0].to_f64_vec();
    let parts = inputs[0].dims()[0];
    let size = values.len() / parts;
    let mut sums = vec![0.0; ty.count()];
    for (sums, row) in sums.chunks_exact_mut(size.max(1)).zip(coefficients.chunks_exact(parts)) {
        for (&factor, part) in row.iter().zip(values.chunks_exact(size.max(1))).filter(|(f, _)| **f != 0) {
            sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += factor as f64 * v);
        }
    }
    Ok(vec![f64::tensor(ty, &sums)?])
}
