//! Resize: separable resampling with constant tables.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of, sizes_of};
use crate::ops::resize_table::{Coordinates, Kernel, Nearest, Sampling, Table};
use cnnc_ir::expr::UnaryOp;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::{DType, Layout, Scalar, Tensor};

/// Most entries of one table.
const MAX_TABLE: f64 = (1u64 << 26) as f64;

/// What is resampled how, one entry per axis of the operand.
pub struct Plan {
    /// Sizes of the result.
    pub sizes: Vec<usize>,
    /// Ratios.
    pub scales: Vec<f32>,
    /// Regions of interest, as fractions.
    pub rois: Vec<(f32, f32)>,
}

impl Plan {
    /// Sizes rounded down from scales.
    pub fn by_scales(dims: &[usize], scales: Vec<f32>) -> Result<Plan, Reason> {
        if scales.len() != dims.len() || scales.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
            return invalid(format!("scales {scales:?} for dims {dims:?}"));
        }
        let sizes = dims.iter().zip(&scales).map(|(&d, &s)| (d as f32 * s).floor() as usize).collect();
        Ok(Plan { sizes, scales, rois: vec![(0.0, 1.0); dims.len()] })
    }
}

/// Resize of opset 10: scales only; the nearest element is the upper one where the result is smaller.
pub fn resize_10(cx: &mut Context, node: &Node) -> Results {
    let (x, scales) = (node.input(0)?, floats(cx, node, 1, "scales")?);
    let plan = Plan::by_scales(&cx.dims(x), scales)?;
    let kernel = Kernel::of(node)?;
    let by_scale = |scale: f32| match kernel {
        Kernel::Nearest(_) if scale < 1.0 => Kernel::Nearest(Nearest::Ceil),
        Kernel::Nearest(_) => Kernel::Nearest(Nearest::Floor),
        other => other,
    };
    resampled(cx, node, x, &plan, by_scale, Coordinates::Asymmetric)
}

/// Resize from opset 11 on: scales or sizes; `axes`, `antialias` and `keep_aspect_ratio_policy` from 18 on.
pub fn resize(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axes: Vec<usize> = match node.opt_ints("axes")? {
        Some(axes) => axes.iter().map(|&a| axis_of(a, dims.len())).collect::<Result<_, _>>()?,
        None => (0..dims.len()).collect(),
    };
    // An operand of no elements is an absent one.
    let given = |cx: &Context, k: usize| node.optional(k).is_some_and(|v| cx.ty(v).count() > 0);
    let coordinates = Coordinates::of(node.string("coordinate_transformation_mode", "half_pixel")?)?;
    let mut plan = if given(cx, 3) {
        let wanted = sizes_of(&node.ints_input(cx, 3, "sizes")?, "sizes")?;
        by_sizes(node, &dims, &axes, &wanted)?
    } else if given(cx, 2) {
        let scales = placed(&axes, &floats(cx, node, 2, "scales")?, 1.0, dims.len())?;
        Plan::by_scales(&dims, scales)?
    } else {
        return invalid("neither scales nor sizes are given");
    };
    if coordinates == Coordinates::TfCropAndResize {
        let roi = floats(cx, node, 1, "roi")?;
        if roi.len() != 2 * axes.len() {
            return invalid(format!("roi {roi:?} for {} axes", axes.len()));
        }
        let starts = placed(&axes, &roi[..axes.len()], 0.0, dims.len())?;
        let ends = placed(&axes, &roi[axes.len()..], 1.0, dims.len())?;
        plan.rois = starts.into_iter().zip(ends).collect();
    }
    let kernel = Kernel::of(node)?;
    resampled(cx, node, x, &plan, |_| kernel, coordinates)
}

/// One value per axis of the tensor from one per listed axis.
fn placed(axes: &[usize], values: &[f32], rest: f32, rank: usize) -> Result<Vec<f32>, Reason> {
    if values.len() != axes.len() {
        return invalid(format!("{values:?} for {} axes", axes.len()));
    }
    let mut all = vec![rest; rank];
    axes.iter().zip(values).for_each(|(&axis, &value)| all[axis] = value);
    Ok(all)
}

fn by_sizes(node: &Node, dims: &[usize], axes: &[usize], wanted: &[usize]) -> Result<Plan, Reason> {
    if wanted.len() != axes.len() || axes.iter().any(|&a| dims[a] == 0) {
        return invalid(format!("sizes {wanted:?} for axes {axes:?} of dims {dims:?}"));
    }
    let ratios = || axes.iter().zip(wanted).map(|(&axis, &size)| size as f64 / dims[axis] as f64);
    let common = match node.string("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => None,
        "not_larger" => Some(ratios().fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios().fold(0.0, f64::max)),
        other => return invalid(format!("attribute 'keep_aspect_ratio_policy' is '{other}', which is unknown")),
    };
    let mut plan = Plan { sizes: dims.to_vec(), scales: vec![1.0; dims.len()], rois: vec![(0.0, 1.0); dims.len()] };
    for ((&axis, &size), ratio) in axes.iter().zip(wanted).zip(ratios()) {
        let scale = common.unwrap_or(ratio);
        plan.sizes[axis] = if common.is_some() { (scale * dims[axis] as f64 + 0.5) as usize } else { size };
        plan.scales[axis] = scale as f32;
    }
    Ok(plan)
}

/// A constant operand of floats.
pub fn floats(cx: &Context, node: &Node, k: usize, name: &str) -> Result<Vec<f32>, Reason> {
    Ok(node.tensor_input(cx, k, name)?.to_f64_vec().into_iter().map(|v| v as f32).collect())
}

/// Resamples by a plan; the kernel may hang on an axis's scale.
pub fn resampled(
    cx: &mut Context,
    node: &Node,
    x: ValueId,
    plan: &Plan,
    kernel: impl Fn(f32) -> Kernel,
    coordinates: Coordinates,
) -> Results {
    let dims = cx.dims(x);
    let antialias = node.flag("antialias", false)?;
    let (mut axes, mut tables) = (vec![], vec![]);
    for (axis, (&input, &output)) in dims.iter().zip(&plan.sizes).enumerate() {
        let crop = coordinates == Coordinates::TfCropAndResize && plan.rois[axis] != (0.0, 1.0);
        if input == output && (plan.scales[axis] - 1.0).abs() < 1e-6 && !crop {
            continue;
        }
        let scale = plan.scales[axis];
        let kernel = kernel(scale);
        let taps = if antialias && scale < 1.0 { 4.0 / f64::from(scale) } else { 4.0 };
        if input == 0 || output as f64 * taps > MAX_TABLE {
            return invalid(format!("axis {axis} of dims {dims:?} cannot be resized to {output}"));
        }
        let sampling = Sampling {
            input,
            output,
            scale,
            coordinates,
            kernel,
            roi: plan.rois[axis],
            antialias,
            exclude_outside: node.flag("exclude_outside", false)?,
        };
        axes.push(axis);
        tables.push(sampling.table());
    }
    if axes.is_empty() {
        return Ok(vec![x]);
    }
    // Only floats can be weighted.
    let dtype = cx.dtype(x);
    let weighted = !dtype.is_float() && tables.iter().any(|t| t.taps > 1);
    let mut operands = vec![if weighted { cx.cast(DType::F32, x)? } else { x }];
    for table in &tables {
        let shape = [table.index.len() / table.taps, table.taps];
        operands.push(cx.constant(Tensor::from_vec(&shape, &table.index)?));
        operands.push(cx.constant(Tensor::from_vec(&shape, &table.weight)?));
    }
    let sizes = axes.iter().map(|&a| plan.sizes[a]).collect();
    let mut y = cx.add1(Op::Resize { axes: axes.clone(), sizes }, &operands)?;
    if coordinates == Coordinates::TfCropAndResize {
        let value = node.float("extrapolation_value", 0.0)?;
        y = extrapolated(cx, y, &axes, &tables, value)?;
    }
    if weighted {
        y = cx.map(&[y], |b, v| {
            let whole = b.unary(UnaryOp::Round, v[0]);
            b.cast(dtype, whole)
        })?;
    }
    Ok(vec![y])
}

/// Results that lie outside the operand along any axis replaced by a value.
fn extrapolated(cx: &mut Context, y: ValueId, axes: &[usize], tables: &[Table], value: f32) -> Result<ValueId, Reason> {
    let (rank, value) = (cx.rank(y), Scalar::from_f64(cx.dtype(y), f64::from(value)));
    let mut result = y;
    for (&axis, table) in axes.iter().zip(tables).filter(|(_, t)| t.outside.contains(&true)) {
        let mut dims = vec![1; rank];
        dims[axis] = table.outside.len();
        let bytes: Vec<u8> = table.outside.iter().map(|&o| u8::from(o)).collect();
        let mask = cx.constant(Tensor::from_bytes(DType::Bool, &dims, Layout::Plain, &bytes)?);
        result = cx.map(&[mask, result], |b, v| {
            let value = b.constant(value);
            b.select(v[0], value, v[1])
        })?;
    }
    Ok(result)
}
