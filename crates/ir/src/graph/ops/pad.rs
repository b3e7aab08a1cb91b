//! `pad`: grows or crops a tensor.

use super::PadMode;
use super::check::{Inferred, all_plain, at_least, ensure, list, one_each};
use crate::graph::TensorType;

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
