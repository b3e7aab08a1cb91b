//! GridSample.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::{GridMode, GridPadding};

/// GridSample; the modes' names changed at opset 20.
pub fn grid_sample(cx: &mut Context, node: &Node) -> Results {
    let (x, grid) = (node.input(0)?, node.input(1)?);
    let mode = match node.string("mode", "linear")? {
        "linear" | "bilinear" => GridMode::Linear,
        "nearest" => GridMode::Nearest,
        "cubic" | "bicubic" => GridMode::Cubic,
        other => return invalid(format!("attribute 'mode' is '{other}', which is unknown")),
    };
    let padding = match node.string("padding_mode", "zeros")? {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => return invalid(format!("attribute 'padding_mode' is '{other}', which is unknown")),
    };
    cx.add(Op::GridSample { mode, padding, align_corners: node.flag("align_corners", false)? }, &[x, grid])
}
