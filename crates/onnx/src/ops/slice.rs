//! Slice and Split.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of, sizes_of};
use cnnc_ir::graph::{Op, ValueId};

/// Starts, ends and axes are attributes (opsets 1 to 9).
pub fn slice_1(cx: &mut Context, node: &Node) -> Results {
    let (starts, ends) = (node.need_ints("starts")?, node.need_ints("ends")?);
    sliced(cx, node, &starts, &ends, node.opt_ints("axes")?, None)
}

/// Starts, ends, axes and steps are operands.
pub fn slice(cx: &mut Context, node: &Node) -> Results {
    let (starts, ends) = (node.ints_input(cx, 1, "starts")?, node.ints_input(cx, 2, "ends")?);
    let axes = node.optional_ints_input(cx, 3, "axes")?;
    let steps = node.optional_ints_input(cx, 4, "steps")?;
    sliced(cx, node, &starts, &ends, axes, steps)
}

fn sliced(
    cx: &mut Context,
    node: &Node,
    starts: &[i64],
    ends: &[i64],
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
) -> Results {
    let x = node.input(0)?;
    let mut dims = cx.dims(x);
    let rank = dims.len();
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
        return invalid(format!(
            "{} starts, {} ends, {} axes and {} steps: the numbers must agree",
            starts.len(),
            ends.len(),
            axes.len(),
            steps.len()
        ));
    }
    let (mut first, mut by) = (vec![0; rank], vec![1isize; rank]);
    for k in 0..starts.len() {
        let axis = axis_of(axes[k], rank)?;
        let (start, step, count) = bounds(starts[k], ends[k], steps[k], cx.dims(x)[axis])?;
        (first[axis], by[axis], dims[axis]) = (start, step, count);
    }
    cx.add(Op::Slice { starts: first, steps: by, dims }, &[x])
}

/// First index, step and number of elements of a slice of an axis, clamped as ONNX says.
fn bounds(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, isize, usize), Reason> {
    let size = size as i64;
    if step == 0 {
        return invalid("a step is 0");
    }
    let from_end = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = from_end(start).clamp(low.max(0), high.max(0));
    let end = from_end(end).clamp(low, high);
    let count = if step > 0 {
        (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs())
    } else {
        (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs())
    };
    let count = if size == 0 { 0 } else { count };
    Ok((if count == 0 { 0 } else { start as usize }, step as isize, count as usize))
}

/// The sizes are an attribute, or in opset 1 an operand; without either the parts are equal (opsets 1 to 12).
pub fn split_1(cx: &mut Context, node: &Node) -> Results {
    let sizes = match node.opt_ints("split")? {
        Some(sizes) => Some(sizes),
        None => node.optional_ints_input(cx, 1, "split")?,
    };
    split_into(cx, node, sizes, node.outputs.len())
}

/// The sizes are an operand, or `num_outputs` is given (from opset 18 on), or the parts are equal.
pub fn split(cx: &mut Context, node: &Node) -> Results {
    let sizes = node.optional_ints_input(cx, 1, "split")?;
    let parts = node.int("num_outputs", node.outputs.len() as i64)?;
    match usize::try_from(parts) {
        Ok(parts) if (1..=1 << 16).contains(&parts) => split_into(cx, node, sizes, parts),
        _ => invalid(format!("num_outputs {parts} is out of range")),
    }
}

fn split_into(cx: &mut Context, node: &Node, sizes: Option<Vec<i64>>, parts: usize) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = axis_of(node.int("axis", 0)?, dims.len())?;
    let sizes = match sizes {
        Some(sizes) => sizes_of(&sizes, "split sizes")?,
        None => {
            let each = dims[axis].div_ceil(parts);
            (0..parts).map(|k| each.min(dims[axis].saturating_sub(k * each))).collect()
        }
    };
    if sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s)) != Some(dims[axis]) {
        return invalid(format!("split sizes {sizes:?} do not make up axis {axis} of dims {dims:?}"));
    }
    let mut start = 0;
    let mut results = Vec::with_capacity(sizes.len());
    for size in sizes {
        results.push(part(cx, x, axis, start, size)?);
        start += size;
    }
    Ok(results)
}

fn part(cx: &mut Context, x: ValueId, axis: usize, start: usize, size: usize) -> Result<ValueId, Reason> {
    let mut dims = cx.dims(x);
    let mut starts = vec![0; dims.len()];
    (starts[axis], dims[axis]) = (if size == 0 { 0 } else { start }, size);
    let steps = vec![1; dims.len()];
    cx.add1(Op::Slice { starts, steps, dims }, &[x])
}
