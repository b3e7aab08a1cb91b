//! `separable`: a depthwise convolution and a 1x1 convolution of what it makes.

use super::check::{Inferred, at_least, ensure};
use super::number::Evaluated;
use super::{Window, conv};
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// Result layout: that of `x`.
pub(in crate::graph) fn infer(window: &Window, between: &Expr, tail: &Expr, inputs: &[&TensorType]) -> Inferred {
    let ([x, depthwise, bias, w], rest) = at_least::<4>(inputs)?;
    let channels = depthwise.dims.first().copied().unwrap_or(0);
    ensure(x.dims.get(1) == Some(&channels), || format!("depthwise weights {depthwise} do not fit operand {x}"))?;
    let made = conv::infer(window, channels, between, &[x, depthwise, bias])?;
    ensure(made[0].dtype == x.dtype, || format!("what is between is {}, operand {x}", made[0].dtype))?;
    let mut second = vec![&made[0], w];
    second.extend(rest);
    conv::infer(&Window::of_one_tap(window.kernel.len()), 1, tail, &second)
}

/// One after the other; what is between is rounded to the element type.
pub(in crate::graph) fn eval(
    window: &Window,
    between: &Expr,
    tail: &Expr,
    inputs: &[&Tensor],
    ty: &TensorType,
) -> Evaluated {
    let (channels, mut dims) = (inputs[0].dims()[1], ty.dims.clone());
    dims[1] = channels;
    let made = TensorType { dtype: inputs[0].dtype(), dims, layout: Layout::Plain };
    let made = conv::eval(window, (channels, false), between, &inputs[..3], &made)?;
    let mut second = vec![&made[0]];
    second.extend(&inputs[3..]);
    conv::eval(&Window::of_one_tap(window.kernel.len()), (1, false), tail, &second, ty)
}
