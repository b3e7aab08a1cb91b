//! `broadcast`: repeats a tensor by the numpy rule.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, zeros};
use super::strided::{self, Strided, row_major};
use crate::graph::TensorType;
use cnnc_tensor::{Tensor, broadcast_dims};

/// The operand must broadcast to exactly `dims`.
pub(in crate::graph) fn infer(dims: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    all_plain(inputs)?;
    ensure(broadcast_dims(&x.dims, dims).as_deref() == Some(dims), || format!("{x} does not broadcast to {dims:?}"))?;
    Ok(vec![TensorType { dims: dims.to_vec(), ..x.clone() }])
}

/// The plain operand, repeated.
pub(in crate::graph) fn eval(dims: &[usize], inputs: &[&Tensor]) -> Evaluated {
    Ok(vec![repeat(inputs[0], dims)?])
}

/// A plain tensor repeated to dims that it broadcasts to.
pub(super) fn repeat(x: &Tensor, dims: &[usize]) -> Result<Tensor, String> {
    let mut out = zeros(&TensorType::plain(x.dtype(), dims))?;
    let missing = dims.len() - x.dims().len();
    let mut strides = vec![0; missing];
    strides.extend(row_major(x.dims()).iter().zip(x.dims()).map(|(&s, &d)| if d == 1 { 0 } else { s }));
    let to = row_major(dims);
    strided::copy(
        x.dtype().size(),
        dims,
        Strided { bytes: x.bytes(), offset: 0, strides: &strides },
        Strided { bytes: out.bytes_mut(), offset: 0, strides: &to },
    );
    Ok(out)
}
