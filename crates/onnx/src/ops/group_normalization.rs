//! GroupNormalization: on a view that has the groups as an axis.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use crate::ops::normalize::normalize;
use cnnc_ir::expr::BinaryOp;

/// GroupNormalization of opset 18: scale and bias per group.
pub fn group_normalization_18(cx: &mut Context, node: &Node) -> Results {
    group(cx, node, true)
}

/// GroupNormalization from opset 21 on: scale and bias per channel.
pub fn group_normalization(cx: &mut Context, node: &Node) -> Results {
    group(cx, node, false)
}

fn group(cx: &mut Context, node: &Node, per_group: bool) -> Results {
    let x = node.input(0)?;
    let (dims, dtype) = (cx.dims(x), cx.dtype(x));
    let count = node.need_int("num_groups")?;
    let groups = usize::try_from(count).ok().filter(|&g| g > 0 && dims.len() > 1 && dims[1].is_multiple_of(g));
    let Some(groups) = groups else { return invalid(format!("{count} groups do not fit x of dims {dims:?}")) };
    let epsilon = node.float("epsilon", 1e-5)?;
    let (scale, bias) = (cx.cast(dtype, node.input(1)?)?, cx.cast(dtype, node.input(2)?)?);
    let split = [dims[0], groups, dims[1] / groups * dims[2..].iter().product::<usize>()];
    let grouped = cx.reshape(x, &split)?;
    if per_group {
        let (scale, bias) = (cx.reshape(scale, &[groups, 1])?, cx.reshape(bias, &[groups, 1])?);
        let y = normalize(cx, grouped, vec![2], epsilon, true, Some(scale), Some(bias))?;
        return Ok(vec![cx.reshape(y, &dims)?]);
    }
    let y = normalize(cx, grouped, vec![2], epsilon, true, None, None)?;
    let y = cx.reshape(y, &dims)?;
    let (scale, bias) = (cx.per_channel(scale, dims.len())?, cx.per_channel(bias, dims.len())?);
    let y = cx.map(&[y, scale, bias], |b, v| {
        let scaled = b.binary(BinaryOp::Mul, v[0], v[1]);
        b.binary(BinaryOp::Add, scaled, v[2])
    })?;
    Ok(vec![y])
}
