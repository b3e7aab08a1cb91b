//! Concat: operands one after the other along an axis, in any layouts; one kernel for all operands. Operands whose
//! elements stay together are copied by vectors; on the channels of a blocked result, an operand that does not start at
//! a block is copied by parts of blocks.

use crate::box_copy::{BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;

/// Concatenation.
pub static CONCAT: Algorithm = Algorithm {
    name: "concat",
    about: "operands copied one after the other along an axis",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("concat", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let &Op::Concat { axis } = region.op else { return None };
    let result = &region.outputs[0];
    let mut starts = vec![0; result.dims.len()];
    let mut copies = vec![];
    for (k, operand) in region.inputs.iter().enumerate() {
        let to = Side::at(result, &starts);
        let copy = BoxCopy { extents: operand.dims.clone(), from: Some((k, Side::whole(operand))), to };
        copies.extend(copy.strided());
        starts[axis] += operand.dims[axis];
    }
    Some(with_zero_tail(copies, result))
}
