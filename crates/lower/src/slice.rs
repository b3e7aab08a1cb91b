//! Slice: part of a tensor, every axis with its own first index and step, in any pair of layouts. Steps of 2 and -1
//! along the innermost axis are vector loads with a shuffle; channels of a blocked tensor that do not start at a block are
//! copied by parts of blocks.

use crate::box_copy::{AxisMap, BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;

/// Part of a tensor.
pub static SLICE: Algorithm = Algorithm {
    name: "slice",
    about: "part of a tensor, with any steps",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("slice", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Slice { starts, steps, dims } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let map = |(axis, (&start, &step)): (usize, (&usize, &isize))| {
        Some(AxisMap { axis, start: start as i64, step: step as i64 })
    };
    let from = Side { ty: operand, maps: starts.iter().zip(steps).enumerate().map(map).collect() };
    let copy = BoxCopy { extents: dims.clone(), from: Some((0, from)), to: Side::whole(result) };
    Some(with_zero_tail(copy.strided(), result))
}
