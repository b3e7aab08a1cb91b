//! GatherNd: slices of the data picked by tuples of indices. The slice is a row copied by vectors; indices out of range
//! are clamped into it.

use crate::copy_kernel::not_here;
use crate::row_copy::{CHUNK_BYTES, bits_type, copy_row, load_index, native_lanes, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Buf, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{Layout, Target, row_major_strides};

/// Slices picked by tuples.
pub static GATHER_ND: Algorithm = Algorithm {
    name: "gather_nd",
    about: "slices picked by tuples of indices",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| shape(region).map_or(vec![], |_| vec![Candidate::new("gather_nd", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| {
        let rows = region.inputs[1].count() as f64;
        Work { flops: 0.0, seconds: rows * 5e-9 + region.outputs[0].bytes() as f64 * 1e-10 }
    },
    lower,
};

/// Data `[batch, dims.., row]`, indices `[batch, tuples, dims.len()]`, result `[batch, tuples, row]`.
struct Shape {
    batch: usize,
    tuples: usize,
    dims: Vec<usize>,
    row: usize,
}

fn shape(region: &Region) -> Option<Shape> {
    let &Op::GatherNd { batch_dims } = region.op else { return None };
    let (data, indices, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let (&k, outer) = indices.dims.split_last()?;
    let plain = [data, indices, result].iter().all(|ty| ty.layout == Layout::Plain);
    let dims = data.dims[batch_dims..batch_dims + k].to_vec();
    let shape = Shape {
        batch: outer[..batch_dims].iter().product(),
        tuples: outer[batch_dims..].iter().product(),
        row: data.dims[batch_dims + k..].iter().product(),
        dims,
    };
    (plain && (result.count() == 0 || !shape.dims.contains(&0))).then_some(shape)
}

/// The first element that a tuple of indices names in an array of dims, each a row of `row` elements.
pub fn load_tuple(b: &mut KernelBuilder, indices: Buf, tuple: Val, dims: &[usize], row: usize) -> Val {
    let first = b.scale(tuple, dims.len() as i64);
    let mut place = b.index(0);
    for (k, (&size, stride)) in dims.iter().zip(row_major_strides(dims)).enumerate() {
        let at = b.offset(first, k as i64);
        let index = load_index(b, indices, at, size);
        let step = b.scale(index, (stride * row) as i64);
        place = b.add(place, step);
    }
    place
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some(shape) = shape(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() > 0 {
        lowering.call(kernel(region, &shape, target), vec![Operand::Input(0), Operand::Input(1), Operand::Output(0)]);
    }
    Ok(lowering.finish())
}

fn kernel(region: &Region, shape: &Shape, target: &Target) -> Kernel {
    let (data, picks, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let dtype = bits_type(data.dtype);
    let width = native_lanes(dtype, target);
    let mut b = KernelBuilder::new("gather_nd");
    let from = b.buffer("data", dtype, data.count(), Role::Read);
    let indices = b.buffer("indices", picks.dtype, picks.count(), Role::Read);
    let to = b.buffer("result", dtype, result.count(), Role::Write);
    let entry = shape.dims.iter().product::<usize>() * shape.row;
    let chunk = CHUNK_BYTES / (shape.row * dtype.size());
    parallel_items(&mut b, shape.batch * shape.tuples, chunk, |b, item| {
        let inside = load_tuple(b, indices, item, &shape.dims, shape.row);
        let (batch, _) = b.div_rem(item, shape.tuples as i64);
        let before = b.scale(batch, entry as i64);
        let source = b.add(before, inside);
        let place = b.scale(item, shape.row as i64);
        copy_row(b, (from, source), (to, place), shape.row, width);
    });
    b.finish()
}
