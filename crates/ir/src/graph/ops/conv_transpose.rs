//! `conv_transpose`: transposed convolution.

use super::check::{Inferred, at_least, ensure, number, one_each};
use super::{Window, tail};
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::Layout;

/// Result layout: that of `x`.
pub(in crate::graph) fn infer(
    window: &Window,
    output_pads: &[usize],
    groups: usize,
    expr: &Expr,
    inputs: &[&TensorType],
) -> Inferred {
    let ([x, w], rest) = at_least::<2>(inputs)?;
    window.check(x)?;
    number(x)?;
    ensure(w.layout == Layout::Plain && w.dims.len() == x.dims.len() && w.dtype == x.dtype, || {
        format!("weights {w} do not fit operand {x}")
    })?;
    ensure(w.dims[2..] == window.kernel, || format!("weights {w} do not have the kernel {:?}", window.kernel))?;
    one_each("output_pads", output_pads.len(), window.kernel.len(), x)?;
    ensure(groups > 0 && x.dims[1].is_multiple_of(groups) && w.dims[0] == x.dims[1], || {
        format!("channels do not fit {groups} groups: operand {x}, weights {w}")
    })?;
    let channels = w.dims[1].checked_mul(groups).ok_or_else(|| format!("{groups} groups of {w} overflow"))?;
    let mut dims = vec![x.dims[0], channels];
    for (axis, &output_pad) in output_pads.iter().enumerate() {
        dims.push(size(window, output_pad, axis, x)?);
    }
    Ok(vec![tail::infer(expr, x.dtype, &dims, x.layout, rest)?])
}

fn size(window: &Window, output_pad: usize, axis: usize, x: &TensorType) -> Result<usize, String> {
    let input = x.dims[axis + 2];
    ensure(input > 0, || format!("spatial axis {axis} of {x} is empty"))?;
    let full = (input - 1)
        .checked_mul(window.strides[axis])
        .zip(window.extent(axis))
        .and_then(|(a, b)| a.checked_add(b))
        .and_then(|n| n.checked_add(output_pad));
    let crop = window.pads_begin[axis].checked_add(window.pads_end[axis]);
    match (full, crop) {
        (Some(full), Some(crop)) if full >= crop => Ok(full - crop),
        (Some(full), Some(crop)) => {
            Err(format!("pads crop {crop} of {full} elements of spatial axis {axis}, operand {x}"))
        }
        _ => Err(format!("spatial axis {axis} of the result overflows, operand {x}")),
    }
}
