//! Broadcast: a tensor repeated along axes by the numpy rule, in any pair of layouts.

use crate::box_copy::{AxisMap, BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;

/// Repetition along axes.
pub static BROADCAST: Algorithm = Algorithm {
    name: "broadcast",
    about: "a tensor repeated along axes",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("broadcast", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Broadcast { .. } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let missing = result.dims.len().checked_sub(operand.dims.len())?;
    let map = |k: usize| {
        let axis = k.checked_sub(missing)?;
        (operand.dims[axis] != 1).then_some(AxisMap { axis, start: 0, step: 1 })
    };
    let from = Side { ty: operand, maps: (0..result.dims.len()).map(map).collect() };
    let copy = BoxCopy { extents: result.dims.clone(), from: Some((0, from)), to: Side::whole(result) };
    Some(with_zero_tail(copy.strided(), result))
}
