//! ConvTranspose: padding crops the result; `output_shape` decides the padding where it is given.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, sizes_of};
use crate::ops::conv::{biased, check_ranks, groups, kernel};
use crate::ops::window::{AutoPad, explicit_pads, per_axis, reach};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;

/// ConvTranspose.
pub fn conv_transpose(cx: &mut Context, node: &Node) -> Results {
    let (x, w) = (node.input(0)?, node.input(1)?);
    let (x_dims, w_dims) = (cx.dims(x), cx.dims(w));
    check_ranks(&x_dims, &w_dims)?;
    let groups = groups(node)?;
    let channels = w_dims[1].checked_mul(groups);
    let Some(channels) = channels.filter(|_| w_dims[0] == x_dims[1] && x_dims[1].is_multiple_of(groups)) else {
        return invalid(format!("x of dims {x_dims:?}, weights of dims {w_dims:?} and {groups} groups do not fit"));
    };
    let (window, output_pads) = geometry(node, &x_dims[2..], kernel(node, &w_dims)?)?;
    let (tail, operands) = biased(cx, node, x, w, channels)?;
    cx.add(Op::ConvTranspose { window, output_pads, groups, tail }, &operands)
}

/// The window, and the extra size at each end.
fn geometry(node: &Node, spatial: &[usize], kernel: Vec<usize>) -> Result<(Window, Vec<usize>), Reason> {
    let axes = spatial.len();
    if axes > 3 || kernel.iter().any(|&k| k == 0 || k >= 1 << 31) {
        return invalid(format!("kernel {kernel:?} over {axes} spatial axes is not supported"));
    }
    let (strides, dilations) = (per_axis(node, "strides", axes)?, per_axis(node, "dilations", axes)?);
    let mut output_pads = match node.opt_ints("output_padding")?.filter(|l| !l.is_empty()) {
        None => vec![0; axes],
        Some(list) if list.len() < axes => {
            return invalid(format!("attribute 'output_padding' is {list:?}; it must hold {axes} numbers"));
        }
        Some(list) => sizes_of(&list[..axes], "output_padding")?,
    };
    let auto = AutoPad::of(node)?;
    let wanted: Option<Vec<usize>> = match node.opt_ints("output_shape")?.filter(|l| !l.is_empty()) {
        // Some exporters write batch and channels too.
        Some(list) if list.len() == axes || list.len() == axes + 2 => {
            Some(sizes_of(&list[list.len() - axes..], "output_shape")?)
        }
        Some(list) => return invalid(format!("attribute 'output_shape' is {list:?}; it must hold {axes} numbers")),
        None if matches!(auto, AutoPad::SameUpper | AutoPad::SameLower) => {
            Some(spatial.iter().zip(&strides).map(|(n, &s)| n.saturating_mul(s)).collect())
        }
        None => None,
    };
    let (pads_begin, pads_end) = match wanted {
        None if auto == AutoPad::Valid => (vec![0; axes], vec![0; axes]),
        None => explicit_pads(node, axes)?,
        Some(sizes) => {
            let mut pads = vec![];
            for k in 0..axes {
                let windows = spatial[k].saturating_sub(1).saturating_mul(strides[k]);
                let full = windows.saturating_add(reach(kernel[k], dilations[k])).saturating_add(output_pads[k]);
                // A larger result than the windows reach is filled with the bias at its end.
                output_pads[k] = output_pads[k].saturating_add(sizes[k].saturating_sub(full));
                pads.push(auto.split(full.saturating_sub(sizes[k])));
            }
            pads.into_iter().unzip()
        }
    };
    Ok((Window { kernel, strides, dilations, pads_begin, pads_end }, output_pads))
}
