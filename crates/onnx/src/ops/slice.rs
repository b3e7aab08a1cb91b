//! Slice.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axis_of};
use cnnc_ir::graph::{Op, ValueId};

/// Bounds as attributes (opsets 1 to 9).
pub fn slice_1(cx: &mut Context, node: &Node) -> Results {
    let (x, starts, ends) = (node.input(0)?, node.need_ints("starts")?, node.need_ints("ends")?);
    Ok(vec![sliced(cx, x, &starts, &ends, node.opt_ints("axes")?, None)?])
}

/// Bounds as operands (opset 10 and later).
pub fn slice(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let (starts, ends) = (node.ints_input(cx, 1, "starts")?, node.ints_input(cx, 2, "ends")?);
    let axes = node.optional_ints_input(cx, 3, "axes")?;
    let steps = node.optional_ints_input(cx, 4, "steps")?;
    Ok(vec![sliced(cx, x, &starts, &ends, axes, steps)?])
}

fn sliced(
    cx: &mut Context,
    x: ValueId,
    starts: &[i64],
    ends: &[i64],
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
) -> Result<ValueId, Reason> {
    let from = cx.dims(x);
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return invalid(format!("starts {starts:?}, ends {ends:?}, axes {axes:?}, steps {steps:?} differ in length"));
    }
    let mut ranges: Vec<Range> = from.iter().map(|&size| Range { start: 0, step: 1, count: size }).collect();
    for (k, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, from.len())?;
        ranges[axis] = range(starts[k], ends[k], steps[k], from[axis])?;
    }
    taken(cx, x, &ranges)
}

/// Elements `start`, `start + step`, ... of an axis.
#[derive(Clone, Copy)]
pub struct Range {
    /// First index.
    pub start: usize,
    /// Distance; not 0.
    pub step: isize,
    /// How many.
    pub count: usize,
}

/// numpy's `start:end:step` over an axis of `size`.
fn range(start: i64, end: i64, step: i64, size: usize) -> Result<Range, Reason> {
    let Some(step) = isize::try_from(step).ok().filter(|&s| s != 0 && s != isize::MIN) else {
        return invalid(format!("step {step} is not allowed"));
    };
    let n = size as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let place = |v: i64| (if v < 0 { v.saturating_add(n) } else { v }).clamp(low, high);
    let (start, end) = (place(start), place(end));
    let span = if step > 0 { end - start } else { start - end };
    let count = if span > 0 { (span as usize).div_ceil(step.unsigned_abs()) } else { 0 };
    Ok(if count == 0 { Range { start: 0, step: 1, count } } else { Range { start: start as usize, step, count } })
}

/// A part of a tensor, one range per axis; the tensor itself where that is all of it.
pub fn taken(cx: &mut Context, x: ValueId, ranges: &[Range]) -> Result<ValueId, Reason> {
    let whole = cx.ty(x).dims.iter().zip(ranges).all(|(&size, r)| r.count == size && (r.step == 1 || size <= 1));
    if whole {
        return Ok(x);
    }
    let starts = ranges.iter().map(|r| r.start).collect();
    let steps = ranges.iter().map(|r| r.step).collect();
    cx.add1(Op::Slice { starts, steps, dims: ranges.iter().map(|r| r.count).collect() }, &[x])
}

/// `count` elements from `start` along one axis.
pub fn part(cx: &mut Context, x: ValueId, axis: usize, start: usize, count: usize) -> Result<ValueId, Reason> {
    let mut ranges: Vec<Range> = cx.ty(x).dims.iter().map(|&count| Range { start: 0, step: 1, count }).collect();
    ranges[axis] = Range { start: if count == 0 { 0 } else { start }, step: 1, count };
    taken(cx, x, &ranges)
}
