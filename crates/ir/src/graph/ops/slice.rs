//! `slice`: part of a tensor, with steps.

use super::check::{Inferred, ensure, exactly, one_each};
use super::number::{Evaluated, zeros};
use super::strided::{self, Strided, row_major};
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// A blocked operand keeps its layout where axis 1 is taken in whole blocks.
pub(in crate::graph) fn infer(starts: &[usize], steps: &[isize], dims: &[usize], inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    let rank = x.dims.len();
    one_each("starts", starts.len(), rank, x)?;
    one_each("steps", steps.len(), rank, x)?;
    one_each("dims", dims.len(), rank, x)?;
    for axis in 0..rank {
        ensure(is_inside(starts[axis], steps[axis], dims[axis], x.dims[axis]), || {
            let (start, step, dim) = (starts[axis], steps[axis], dims[axis]);
            format!("{dim} elements from {start} with step {step} do not lie inside axis {axis} of {x}")
        })?;
    }
    if let Layout::Blocked(block) = x.layout {
        let end = starts[1].checked_add(dims[1]);
        let whole = (steps[1] == 1 || dims[1] <= 1)
            && starts[1].is_multiple_of(block)
            && (dims[1].is_multiple_of(block) || end == Some(x.dims[1]));
        ensure(whole, || format!("channels {}..+{} of {x} are no whole blocks", starts[1], dims[1]))?;
    }
    Ok(vec![TensorType { dims: dims.to_vec(), ..x.clone() }])
}

fn is_inside(start: usize, step: isize, count: usize, size: usize) -> bool {
    let Some(steps) = count.checked_sub(1) else { return step != 0 };
    let reach = isize::try_from(steps).ok().and_then(|n| n.checked_mul(step));
    let last = reach.and_then(|r| start.checked_add_signed(r));
    step != 0 && start < size && last.is_some_and(|l| l < size)
}

/// Copies bytes.
pub(in crate::graph) fn eval(starts: &[usize], steps: &[isize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let x = inputs[0];
    let mut out = zeros(ty)?;
    let own = row_major(x.dims());
    let offset = starts.iter().zip(&own).map(|(&start, &stride)| start * stride as usize).sum();
    let from: Vec<isize> = own.iter().zip(steps).map(|(&stride, &step)| stride.wrapping_mul(step)).collect();
    let to = row_major(&ty.dims);
    strided::copy(
        x.dtype().size(),
        &ty.dims,
        Strided { bytes: x.bytes(), offset, strides: &from },
        Strided { bytes: out.bytes_mut(), offset: 0, strides: &to },
    );
    Ok(vec![out])
}
