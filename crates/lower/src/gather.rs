//! Gather: entries along an axis, picked by indices known at run time. What follows the axis is a row copied by vectors
//! (an embedding); indices out of range are clamped into it.

use crate::copy_kernel::not_here;
use crate::cost::{region_bytes, roofline};
use crate::operand::elements;
use crate::row_copy::{CHUNK_BYTES, bits_type, copy_row, load_index, native_lanes, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Kernel, KernelBuilder, Role};
use cnnc_tensor::{Layout, Target};

/// Entries along an axis.
pub static GATHER: Algorithm = Algorithm {
    name: "gather",
    about: "entries along an axis picked by indices, rows copied by vectors",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| shape(region).map_or(vec![], |_| vec![Candidate::new("gather", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let rows = shape(region).map_or(0.0, |s| (s.outer * s.picks) as f64);
        let bytes = 2.0 * region.outputs[0].bytes() as f64;
        let seconds = roofline(target, 0.0, 1.0, bytes.min(region_bytes(region)), 1) + rows * 2e-9;
        Work { flops: 0.0, seconds }
    },
    lower,
};

/// Data `[outer, size, row]`, result `[outer, picks, row]`.
struct Shape {
    outer: usize,
    size: usize,
    row: usize,
    picks: usize,
}

fn shape(region: &Region) -> Option<Shape> {
    let &Op::Gather { axis } = region.op else { return None };
    let (data, indices, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let channels_stay = axis >= 2 || axis == 0 && indices.dims.len() == 1;
    let layouts = data.layout == result.layout && (data.layout == Layout::Plain || channels_stay);
    let picks = indices.count();
    if !layouts || indices.layout != Layout::Plain || data.dims[axis] == 0 && result.count() > 0 {
        return None;
    }
    let physical = data.layout.physical_dims(&data.dims);
    let (outer, row) = (physical[..axis].iter().product(), physical[axis + 1..].iter().product());
    Some(Shape { outer, size: data.dims[axis], row, picks })
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some(shape) = shape(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() > 0 {
        lowering.call(kernel(region, &shape, target), vec![Operand::Input(0), Operand::Input(1), Operand::Output(0)]);
    }
    Ok(lowering.finish())
}

fn kernel(region: &Region, shape: &Shape, target: &Target) -> Kernel {
    let (data, result) = (&region.inputs[0], &region.outputs[0]);
    let dtype = bits_type(data.dtype);
    let width = native_lanes(dtype, target);
    let mut b = KernelBuilder::new("gather");
    let from = b.buffer("data", dtype, elements(data), Role::Read);
    let indices = b.buffer("indices", region.inputs[1].dtype, shape.picks, Role::Read);
    let to = b.buffer("result", dtype, elements(result), Role::Write);
    let chunk = CHUNK_BYTES / (shape.row * dtype.size());
    parallel_items(&mut b, shape.outer * shape.picks, chunk, |b, item| {
        let (outer, pick) = match shape.outer {
            1 => (b.index(0), item),
            _ => b.div_rem(item, shape.picks as i64),
        };
        let index = load_index(b, indices, pick, shape.size);
        let source = b.address(0, &[(outer, (shape.size * shape.row) as i64), (index, shape.row as i64)]);
        let place = b.scale(item, shape.row as i64);
        copy_row(b, (from, source), (to, place), shape.row, width);
    });
    b.finish()
}
