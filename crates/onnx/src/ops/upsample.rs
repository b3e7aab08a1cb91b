//! Upsample, which became Resize: from asymmetric coordinates.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use crate::ops::resize::{Plan, floats, resampled};
use crate::ops::resize_table::{Coordinates, Kernel, Nearest};
use cnnc_ir::graph::ValueId;

/// Upsample of opset 1: height and width of an image.
pub fn upsample_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let (height, width) = (node.float("height_scale", 1.0)?, node.float("width_scale", 1.0)?);
    upsampled(cx, node, x, vec![1.0, 1.0, height, width])
}

/// Upsample of opsets 7 and 8: scales as an attribute.
pub fn upsample_7(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    match node.opt_floats("scales")? {
        Some(scales) => upsampled(cx, node, x, scales),
        None => invalid("attribute 'scales' is missing"),
    }
}

/// Upsample of opset 9: scales as an operand.
pub fn upsample_9(cx: &mut Context, node: &Node) -> Results {
    let (x, scales) = (node.input(0)?, floats(cx, node, 1, "scales")?);
    upsampled(cx, node, x, scales)
}

fn upsampled(cx: &mut Context, node: &Node, x: ValueId, scales: Vec<f32>) -> Results {
    let plan = Plan::by_scales(&cx.dims(x), scales)?;
    let kernel = match node.string("mode", "nearest")? {
        "nearest" => Kernel::Nearest(Nearest::Floor),
        _ => Kernel::of(node)?,
    };
    resampled(cx, node, x, &plan, |_| kernel, Coordinates::Asymmetric)
}
