//! Convert: the same tensor in another layout. Plain to blocked and back are transposes of pixels by channels, done as
//! tiles in registers; the tail lanes of a blocked result become zero.

use crate::box_copy::{BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;

/// Change of layout.
pub static CONVERT: Algorithm = Algorithm {
    name: "convert",
    about: "change of layout, by tiles transposed in registers",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("convert", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Convert { .. } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let extents = result.dims.clone();
    let copy = BoxCopy { extents, from: Some((0, Side::whole(operand))), to: Side::whole(result) };
    Some(with_zero_tail(copy.strided(), result))
}
