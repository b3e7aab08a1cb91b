//! Reshape as a copy, for where the planner cannot make it a view. In one layout only: plain, or blocked where batch and
//! channels stay as they are.

use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::strided_copy::{CopyAxis, StridedCopy};
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;
use cnnc_tensor::Layout;

/// The same elements under other dims.
pub static RESHAPE: Algorithm = Algorithm {
    name: "reshape",
    about: "copy of the elements under other dims",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("reshape", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Reshape { .. } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let same_channels = operand.dims.len() >= 2 && result.dims.len() >= 2 && operand.dims[..2] == result.dims[..2];
    if operand.layout != result.layout || operand.layout != Layout::Plain && !same_channels {
        return None;
    }
    let extent = result.bytes() / result.dtype.size();
    Some(vec![StridedCopy {
        operand: Some(0),
        from: 0,
        to: 0,
        axes: vec![CopyAxis { extent, from: 1, to: 1 }],
        zeros: 0,
    }])
}
