//! GatherElements: for each element of the indices, the element of the data at its coordinates with the one along the
//! axis replaced. Indices out of range are clamped into it.

use crate::copy_kernel::not_here;
use crate::row_copy::{bits_type, load_index, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Kernel, KernelBuilder, Role};
use cnnc_tensor::{Layout, Target, row_major_strides};

/// An index for each element.
pub static GATHER_ELEMENTS: Algorithm = Algorithm {
    name: "gather_elements",
    about: "an index for each element along an axis",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| axis(region).map_or(vec![], |_| vec![Candidate::new("gather_elements", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| Work { flops: 0.0, seconds: region.outputs[0].count() as f64 * 5e-9 },
    lower,
};

fn axis(region: &Region) -> Option<usize> {
    let &Op::GatherElements { axis } = region.op else { return None };
    let (data, result) = (&region.inputs[0], &region.outputs[0]);
    let plain = region.inputs.iter().chain([result]).all(|ty| ty.layout == Layout::Plain);
    (plain && (data.dims[axis] > 0 || result.count() == 0)).then_some(axis)
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let Some(axis) = axis(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() > 0 {
        lowering.call(kernel(region, axis), vec![Operand::Input(0), Operand::Input(1), Operand::Output(0)]);
    }
    Ok(lowering.finish())
}

fn kernel(region: &Region, axis: usize) -> Kernel {
    let (data, picks, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let dtype = bits_type(data.dtype);
    let mut b = KernelBuilder::new("gather_elements");
    let from = b.buffer("data", dtype, data.count(), Role::Read);
    let indices = b.buffer("indices", picks.dtype, picks.count(), Role::Read);
    let to = b.buffer("result", dtype, result.count(), Role::Write);
    let strides = row_major_strides(&data.dims);
    parallel_items(&mut b, result.count(), 1024, |b, item| {
        let mut coords = b.unflatten(item, &picks.dims);
        coords[axis] = load_index(b, indices, item, data.dims[axis]);
        let terms: Vec<_> = coords.into_iter().zip(strides.iter().map(|&s| s as i64)).collect();
        let source = b.address(0, &terms);
        let value = b.load(from, source, 1);
        b.store(to, item, value);
    });
    b.finish()
}
