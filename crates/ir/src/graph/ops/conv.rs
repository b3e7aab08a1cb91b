//! `conv`: convolution with groups, strides, dilations and pads.

use super::check::{Inferred, at_least, ensure, number};
use super::{Window, tail};
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::Layout;

/// Result layout: that of `x`.
pub(in crate::graph) fn infer(window: &Window, groups: usize, expr: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([x, w], rest) = at_least::<2>(inputs)?;
    window.check(x)?;
    number(x)?;
    ensure(w.layout == Layout::Plain && w.dims.len() == x.dims.len() && w.dtype == x.dtype, || {
        format!("weights {w} do not fit operand {x}")
    })?;
    ensure(w.dims[2..] == window.kernel, || format!("weights {w} do not have the kernel {:?}", window.kernel))?;
    let whole = groups > 0 && x.dims[1].is_multiple_of(groups) && w.dims[0].is_multiple_of(groups);
    ensure(whole && w.dims[1] == x.dims[1] / groups, || {
        format!("channels do not fit {groups} groups: operand {x}, weights {w}")
    })?;
    let mut dims = vec![x.dims[0], w.dims[0]];
    dims.extend(window.output_sizes(x)?);
    Ok(vec![tail::infer(expr, x.dtype, &dims, x.layout, rest)?])
}
