//! MaxPool, AveragePool and LpPool.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, sizes_of};
use crate::ops::window::{reach, window};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::{PoolKind, Window};

/// MaxPool; the indices are a second result from opset 8 on.
pub fn max_pool(cx: &mut Context, node: &Node) -> Results {
    let column_major = node.flag("storage_order", false)?;
    pool(cx, node, PoolKind::Max, column_major)
}

/// AveragePool; `count_include_pad` from opset 7 on.
pub fn average_pool(cx: &mut Context, node: &Node) -> Results {
    let include = node.flag("count_include_pad", false)?;
    pool(cx, node, if include { PoolKind::AverageIncludePad } else { PoolKind::Average }, false)
}

/// LpPool of opset 1, where p is a float.
pub fn lp_pool_1(cx: &mut Context, node: &Node) -> Results {
    let p = node.float("p", 2.0)?;
    if p.fract() != 0.0 {
        return invalid(format!("attribute 'p' is {p}; only whole numbers are supported"));
    }
    pool(cx, node, PoolKind::Lp(order(p as i64)?), false)
}

/// LpPool from opset 2 on.
pub fn lp_pool(cx: &mut Context, node: &Node) -> Results {
    let p = order(node.int("p", 2)?)?;
    pool(cx, node, PoolKind::Lp(p), false)
}

/// The order of a norm.
pub fn order(p: i64) -> Result<u32, Reason> {
    match u32::try_from(p) {
        Ok(p) if p > 0 => Ok(p),
        _ => invalid(format!("attribute 'p' is {p}; it must be positive")),
    }
}

fn pool(cx: &mut Context, node: &Node, kind: PoolKind, column_major: bool) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    if dims.len() < 3 {
        return invalid(format!("x of dims {dims:?}: it needs [n, c, spatial..]"));
    }
    let kernel = sizes_of(&node.need_ints("kernel_shape")?, "kernel_shape")?;
    let mut window = window(node, &dims[2..], kernel)?;
    let include = kind == PoolKind::AverageIncludePad;
    let count_pads_end = if include { window.pads_end.clone() } else { vec![] };
    if node.flag("ceil_mode", false)? {
        for k in 0..window.kernel.len() {
            window.pads_end[k] = ceil_mode_pad(&window, k, dims[k + 2])?;
        }
    }
    let indices = node.wants(1);
    cx.add(Op::Pool { kind, window, count_pads_end, indices, column_major: indices && column_major }, &[x])
}

/// The padding at the end of spatial axis `k` with which rounding down gives the size that rounding up gives. A window
/// that would start beyond the input and its padding in front is left out.
fn ceil_mode_pad(window: &Window, k: usize, size: usize) -> Result<usize, Reason> {
    let (stride, reach) = (window.strides[k], reach(window.kernel[k], window.dilations[k]));
    let front = size + window.pads_begin[k];
    let Some(slack) = (front + window.pads_end[k]).checked_sub(reach) else {
        return invalid(format!(
            "the window of {reach} is larger than the padded axis of {}",
            front + window.pads_end[k]
        ));
    };
    let mut count = slack.div_ceil(stride) + 1;
    if (count - 1) * stride >= front {
        count -= 1;
    }
    if count == slack / stride + 1 {
        return Ok(window.pads_end[k]);
    }
    Ok(((count.max(1) - 1) * stride + reach).saturating_sub(front))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarged_padding_gives_the_rounded_up_size() {
        for (size, kernel, stride, begin, end) in (1..12)
            .flat_map(|n| (1..5).flat_map(move |k| (1..5).flat_map(move |s| (0..k).map(move |p| (n, k, s, p, p / 2)))))
        {
            if size + begin + end < kernel {
                continue;
            }
            let window = Window {
                kernel: vec![kernel],
                strides: vec![stride],
                dilations: vec![1],
                pads_begin: vec![begin],
                pads_end: vec![end],
            };
            let mut want = (size + begin + end - kernel).div_ceil(stride) + 1;
            if (want - 1) * stride >= size + begin {
                want -= 1;
            }
            let end = ceil_mode_pad(&window, 0, size).unwrap();
            assert_eq!((size + begin + end - kernel) / stride + 1, want, "{window:?} over {size}");
        }
    }
}
