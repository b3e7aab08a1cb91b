//! Geometry of sliding windows: the attributes that convolutions and pools share, and `auto_pad`.

use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::graph::ops::Window;

/// Where padding comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AutoPad {
    /// The attribute `pads`.
    Explicit,
    /// None.
    Valid,
    /// So that the result has `ceil(size / stride)` elements; an odd one at the end.
    SameUpper,
    /// The same; an odd one at the beginning.
    SameLower,
}

impl AutoPad {
    /// The node's attribute `auto_pad`.
    pub fn of(node: &Node) -> Result<AutoPad, Reason> {
        Ok(match node.string("auto_pad", "NOTSET")? {
            "NOTSET" | "" => AutoPad::Explicit,
            "VALID" => AutoPad::Valid,
            "SAME_UPPER" => AutoPad::SameUpper,
            "SAME_LOWER" => AutoPad::SameLower,
            other => return invalid(format!("attribute 'auto_pad' is '{other}', which is unknown")),
        })
    }

    /// A total padding split into begin and end.
    pub fn split(self, total: usize) -> (usize, usize) {
        let half = total / 2;
        if self == AutoPad::SameUpper { (half, total - half) } else { (total - half, half) }
    }
}

/// A list attribute with one positive entry per spatial axis; ones where it is absent.
pub fn per_axis(node: &Node, name: &str, axes: usize) -> Result<Vec<usize>, Reason> {
    let Some(list) = node.opt_ints(name)?.filter(|l| !l.is_empty()) else { return Ok(vec![1; axes]) };
    match list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v > 0 && v < 1 << 31)).collect::<Option<Vec<_>>>() {
        Some(sizes) if sizes.len() == axes => Ok(sizes),
        _ => invalid(format!("attribute '{name}' is {list:?}; it must hold {axes} positive numbers")),
    }
}

/// The attribute `pads` as (begins, ends); zeros where it is absent.
pub fn explicit_pads(node: &Node, axes: usize) -> Result<(Vec<usize>, Vec<usize>), Reason> {
    let Some(list) = node.opt_ints("pads")?.filter(|l| !l.is_empty()) else {
        return Ok((vec![0; axes], vec![0; axes]));
    };
    match list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v < 1 << 31)).collect::<Option<Vec<_>>>() {
        Some(pads) if pads.len() == 2 * axes => Ok((pads[..axes].to_vec(), pads[axes..].to_vec())),
        _ => invalid(format!("attribute 'pads' is {list:?}; it must hold {} numbers that are not negative", 2 * axes)),
    }
}

/// Extent of a window with dilation, in elements.
pub fn reach(kernel: usize, dilation: usize) -> usize {
    (kernel - 1) * dilation + 1
}

/// The window of a convolution or pool over spatial sizes, padding resolved.
pub fn window(node: &Node, spatial: &[usize], kernel: Vec<usize>) -> Result<Window, Reason> {
    let axes = spatial.len();
    if !(1..=3).contains(&axes) {
        return invalid(format!("{axes} spatial axes are not supported; 1 to 3 are"));
    }
    if kernel.len() != axes || kernel.iter().any(|&k| k == 0 || k >= 1 << 31) {
        return invalid(format!("kernel {kernel:?} does not fit {axes} spatial axes"));
    }
    let (strides, dilations) = (per_axis(node, "strides", axes)?, per_axis(node, "dilations", axes)?);
    let auto = AutoPad::of(node)?;
    let (pads_begin, pads_end) = match auto {
        AutoPad::Explicit => explicit_pads(node, axes)?,
        AutoPad::Valid => (vec![0; axes], vec![0; axes]),
        AutoPad::SameUpper | AutoPad::SameLower => (0..axes)
            .map(|k| {
                let steps = spatial[k].div_ceil(strides[k]).saturating_sub(1);
                auto.split((steps * strides[k] + reach(kernel[k], dilations[k])).saturating_sub(spatial[k]))
            })
            .unzip(),
    };
    Ok(Window { kernel, strides, dilations, pads_begin, pads_end })
}
