//! `pad`: grows or crops a tensor.

use super::PadMode;
use super::check::{Inferred, all_plain, at_least, ensure, list, one_each};
use super::number::{Evaluated, zeros};
use super::strided::{self, Strided, row_major};
use crate::graph::TensorType;
use cnnc_tensor::Tensor;

/// Modes other than constant need an element to copy.
pub(in crate::graph) fn infer(mode: PadMode, begin: &[isize], end: &[isize], inputs: &[&TensorType]) -> Inferred {
    let ([x], rest) = at_least::<1>(inputs)?;
    all_plain(inputs)?;
    let value_fits = match rest {
        [] => true,
        [value] => mode == PadMode::Constant && value.count() == 1 && value.dtype == x.dtype,
        _ => false,
    };
    ensure(value_fits, || format!("takes a tensor and for constants a scalar of its type, got {}", list(inputs)))?;
    one_each("begin", begin.len(), x.dims.len(), x)?;
    one_each("end", end.len(), x.dims.len(), x)?;
    let mut dims = Vec::with_capacity(x.dims.len());
    for (axis, &size) in x.dims.iter().enumerate() {
        let pads = (begin[axis], end[axis]);
        // Both crops together: adding one at a time may pass through a size below zero.
        let total = pads.0.checked_add(pads.1);
        let padded = total
            .and_then(|t| size.checked_add_signed(t))
            .ok_or_else(|| format!("pads {pads:?} do not fit axis {axis} of {x}"))?;
        ensure(mode == PadMode::Constant || size > 0 || padded == 0, || {
            format!("axis {axis} of {x} is empty and has nothing to pad with")
        })?;
        dims.push(padded);
    }
    Ok(vec![TensorType { dims, ..x.clone() }])
}

/// Copies bytes.
pub(in crate::graph) fn eval(mode: PadMode, begin: &[isize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let x = inputs[0];
    let size = ty.dtype.size();
    let mut out = zeros(ty)?;
    if mode != PadMode::Constant {
        let tables: Vec<Option<Vec<usize>>> =
            x.dims().iter().zip(&ty.dims).zip(begin).map(|((&from, &to), &b)| table(mode, from, to, b)).collect();
        strided::take(size, x.dims(), &tables, x.bytes(), out.bytes_mut());
        return Ok(vec![out]);
    }
    if let Some(value) = inputs.get(1).filter(|v| v.bytes().iter().any(|&b| b != 0)) {
        out.bytes_mut().chunks_exact_mut(size).for_each(|element| element.copy_from_slice(value.bytes()));
    }
    let (own, to) = (row_major(x.dims()), row_major(&ty.dims));
    let (mut kept, mut from_offset, mut to_offset) = (vec![], 0, 0);
    for axis in 0..ty.dims.len() {
        let cropped = begin[axis].min(0).unsigned_abs().min(x.dims()[axis]);
        let skipped = (begin[axis].max(0) as usize).min(ty.dims[axis]);
        kept.push((x.dims()[axis] - cropped).min(ty.dims[axis] - skipped));
        from_offset += cropped * own[axis] as usize;
        to_offset += skipped * to[axis] as usize;
    }
    strided::copy(
        size,
        &kept,
        Strided { bytes: x.bytes(), offset: from_offset, strides: &own },
        Strided { bytes: out.bytes_mut(), offset: to_offset, strides: &to },
    );
    Ok(vec![out])
}

/// For each element along a padded axis the element that it copies; `None` where the axis stays as it is.
fn table(mode: PadMode, from: usize, to: usize, begin: isize) -> Option<Vec<usize>> {
    if from == to && begin == 0 {
        return None;
    }
    let size = from as isize;
    let source = |k: usize| {
        let at = k as isize - begin;
        let inside = match mode {
            PadMode::Wrap => at.rem_euclid(size),
            PadMode::Reflect if size > 1 => {
                let folded = at.rem_euclid(2 * (size - 1));
                folded.min(2 * (size - 1) - folded)
            }
            _ => at.clamp(0, size - 1),
        };
        inside as usize
    };
    Some((0..to).map(source).collect())
}
