//! Resize and Upsample: how attributes and operands of each version become one sampling rule per axis.
//!
//! The rules become tables of taps in [`taps`](super::resize_taps), which the core operator applies axis by axis.

use super::resize_taps::{AxisRule, Coordinates, Interpolation, Nearest, Taps, taps};
use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::{DType, Scalar, Tensor};

/// Most elements along a resized axis.
const MAX_SIZE: f64 = 1e9;

/// Upsample: scales are an attribute (opset 7; `height_scale` and `width_scale` in opset 1).
pub fn upsample_7(cx: &mut Context, node: &Node) -> Results {
    let scales = match node.opt_floats("scales")? {
        Some(scales) => scales,
        None => vec![1.0, 1.0, node.float("height_scale", 1.0)?, node.float("width_scale", 1.0)?],
    };
    resize_simply(cx, node, &scales)
}

/// Upsample of opset 9 and Resize of opset 10: scales are the second operand.
pub fn resize_10(cx: &mut Context, node: &Node) -> Results {
    let scales = floats(&node.tensor_input(cx, 1, "scales")?);
    resize_simply(cx, node, &scales)
}

/// The oldest rule: coordinates are divided by the scale, nearest rounds down.
fn resize_simply(cx: &mut Context, node: &Node, scales: &[f32]) -> Results {
    let interpolation = match node.string("mode", "nearest")? {
        "nearest" => Interpolation::Nearest(Nearest::Floor),
        "linear" | "bilinear" => Interpolation::Linear,
        other => return invalid(format!("mode '{other}' is unknown")),
    };
    let x = node.input(0)?;
    let axes: Vec<usize> = (0..cx.rank(x)).collect();
    let rules = by_scales(&cx.dims(x), &axes, scales, Coordinates::Asymmetric, interpolation)?;
    resample(cx, x, &axes, &rules, 0.0)
}

/// Resize from opset 11 on: X, roi, scales, sizes.
pub fn resize(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axes: Vec<usize> = match node.opt_ints("axes")? {
        Some(axes) => axes.iter().map(|&a| axis_of(a, dims.len())).collect::<Result<_, Reason>>()?,
        None => (0..dims.len()).collect(),
    };
    let coordinates = coordinates(cx, node, axes.len())?;
    let interpolation = interpolation(node)?;
    let present = |k: usize| node.optional(k).filter(|&v| cx.graph.constant(v).is_none_or(|t| t.count() > 0)).is_some();
    let mut rules = if present(2) {
        let scales = floats(&node.tensor_input(cx, 2, "scales")?);
        by_scales(&dims, &axes, &scales, Coordinates::HalfPixel, interpolation)?
    } else {
        let sizes = node.ints_input(cx, 3, "sizes")?;
        by_sizes(&dims, &axes, &sizes, node.string("keep_aspect_ratio_policy", "stretch")?, interpolation)?
    };
    let (antialias, exclude_outside) = (node.flag("antialias", false)?, node.flag("exclude_outside", false)?);
    for (rule, own) in rules.iter_mut().zip(coordinates) {
        rule.coordinates = own;
        rule.antialias = antialias;
        rule.exclude_outside = exclude_outside;
    }
    resample(cx, x, &axes, &rules, node.float("extrapolation_value", 0.0)?)
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_f64_vec().into_iter().map(|v| v as f32).collect()
}

/// The coordinate rule of each axis.
fn coordinates(cx: &Context, node: &Node, axes: usize) -> Result<Vec<Coordinates>, Reason> {
    let rule = match node.string("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
        "tf_crop_and_resize" => {
            let roi = floats(&node.tensor_input(cx, 1, "roi")?);
            if roi.len() != 2 * axes {
                return invalid(format!("roi has {} entries for {axes} axes: two for each are needed", roi.len()));
            }
            let crop = |k: usize| Coordinates::Crop { start: f64::from(roi[k]), end: f64::from(roi[axes + k]) };
            return Ok((0..axes).map(crop).collect());
        }
        other => return invalid(format!("coordinate_transformation_mode '{other}' is unknown")),
    };
    Ok(vec![rule; axes])
}

fn interpolation(node: &Node) -> Result<Interpolation, Reason> {
    match node.string("mode", "nearest")? {
        "linear" => Ok(Interpolation::Linear),
        "cubic" => Ok(Interpolation::Cubic(f64::from(node.float("cubic_coeff_a", -0.75)?))),
        "nearest" => Ok(Interpolation::Nearest(match node.string("nearest_mode", "round_prefer_floor")? {
            "round_prefer_floor" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => return invalid(format!("nearest_mode '{other}' is unknown")),
        })),
        other => invalid(format!("mode '{other}' is unknown")),
    }
}

fn rule(size: usize, out: usize, scale: f64, interpolation: Interpolation, coordinates: Coordinates) -> AxisRule {
    AxisRule { size, out, scale, interpolation, coordinates, antialias: false, exclude_outside: false }
}

fn by_scales(
    dims: &[usize],
    axes: &[usize],
    scales: &[f32],
    coordinates: Coordinates,
    interpolation: Interpolation,
) -> Result<Vec<AxisRule>, Reason> {
    if scales.len() != axes.len() {
        return invalid(format!("{} scales for {} axes", scales.len(), axes.len()));
    }
    let one = |(&axis, &scale): (&usize, &f32)| {
        let out = (dims[axis] as f32 * scale).floor();
        if !(scale > 0.0 && f64::from(out) <= MAX_SIZE) {
            return invalid(format!("scale {scale} of axis {axis} is not usable"));
        }
        Ok(rule(dims[axis], out as usize, f64::from(scale), interpolation, coordinates))
    };
    axes.iter().zip(scales).map(one).collect()
}

fn by_sizes(
    dims: &[usize],
    axes: &[usize],
    sizes: &[i64],
    policy: &str,
    interpolation: Interpolation,
) -> Result<Vec<AxisRule>, Reason> {
    if sizes.len() != axes.len() || sizes.iter().any(|&s| s < 0 || s as f64 > MAX_SIZE) {
        return invalid(format!("sizes {sizes:?} do not fit {} axes", axes.len()));
    }
    let ratio = |(&axis, &size): (&usize, &i64)| size as f64 / dims[axis].max(1) as f64;
    let ratios: Vec<f64> = axes.iter().zip(sizes).map(ratio).collect();
    let common = match policy {
        "stretch" => None,
        "not_larger" => ratios.iter().copied().reduce(f64::min),
        "not_smaller" => ratios.iter().copied().reduce(f64::max),
        other => return invalid(format!("keep_aspect_ratio_policy '{other}' is unknown")),
    };
    let one = |k: usize| {
        let size = dims[axes[k]];
        let (out, scale) = match common {
            Some(scale) => ((scale * size as f64 + 0.5).floor() as usize, scale),
            None => (sizes[k] as usize, ratios[k]),
        };
        rule(size, out, scale, interpolation, Coordinates::HalfPixel)
    };
    Ok((0..axes.len()).map(one).collect())
}

/// Applies the rules; axes that stay as they are are left out.
fn resample(cx: &mut Context, x: ValueId, axes: &[usize], rules: &[AxisRule], extrapolation: f32) -> Results {
    let mut tables: Vec<(usize, Taps)> = Vec::new();
    for (&axis, rule) in axes.iter().zip(rules) {
        if rule.size == 0 && rule.out > 0 {
            return invalid(format!("axis {axis} is empty and cannot grow to {}", rule.out));
        }
        let table = taps(rule);
        if !table.is_identity(rule.size) {
            tables.push((axis, table));
        }
    }
    tables.sort_by_key(|t| t.0);
    if tables.is_empty() {
        return Ok(vec![x]);
    }
    let mut operands = vec![x];
    for (_, table) in &tables {
        let dims = [table.out(), table.count];
        operands.push(cx.constant(Tensor::from_vec(&dims, &table.index)?));
        operands.push(cx.constant(Tensor::from_vec(&dims, &table.weight)?));
    }
    let op =
        Op::Resize { axes: tables.iter().map(|t| t.0).collect(), sizes: tables.iter().map(|t| t.1.out()).collect() };
    let mut y = cx.add1(op, &operands)?;
    let (rank, dtype) = (cx.rank(x), cx.dtype(x));
    for (axis, table) in tables {
        if table.inside.iter().all(|&inside| inside) {
            continue;
        }
        let mut dims = vec![1; rank];
        dims[axis] = table.inside.len();
        let inside = table.inside.iter().map(|&v| Scalar::bool(v));
        let inside = cx.constant(Tensor::from_scalars(DType::Bool, &dims, inside)?);
        let outside = cx.scalar(Scalar::from_f64(dtype, f64::from(extrapolation)));
        y = cx.map(&[inside, y, outside], |b, v| b.select(v[0], v[1], v[2]))?;
    }
    Ok(vec![y])
}
