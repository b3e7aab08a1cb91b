//! Transpose: axes in another order, in any pair of layouts. Axes that stay together are merged first, so an image's
//! change between channels first and last is a transpose of matrices, done as tiles in registers, and a permutation that
//! keeps the innermost axis copies rows.

use crate::box_copy::{AxisMap, BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;

/// Permutation of axes.
pub static TRANSPOSE: Algorithm = Algorithm {
    name: "transpose",
    about: "permutation of axes, by rows or by tiles transposed in registers",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("transpose", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Transpose { perm } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let maps = perm.iter().map(|&axis| Some(AxisMap { axis, start: 0, step: 1 })).collect();
    let from = Side { ty: operand, maps };
    let copy = BoxCopy { extents: result.dims.clone(), from: Some((0, from)), to: Side::whole(result) };
    Some(with_zero_tail(copy.strided(), result))
}
