//! GridSample.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::{GridMode, GridPadding};

/// GridSample; the modes have new names from opset 20 on, both are taken.
pub fn grid_sample(cx: &mut Context, node: &Node) -> Results {
    let mode = match node.string("mode", "linear")? {
        "linear" | "bilinear" => GridMode::Linear,
        "nearest" => GridMode::Nearest,
        "cubic" | "bicubic" => GridMode::Cubic,
        other => return invalid(format!("mode '{other}' is unknown")),
    };
    let padding = match node.string("padding_mode", "zeros")? {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => return invalid(format!("padding_mode '{other}' is unknown")),
    };
    let align_corners = node.flag("align_corners", false)?;
    let (x, grid) = (node.input(0)?, node.input(1)?);
    cx.add(Op::GridSample { mode, padding, align_corners }, &[x, grid])
}
