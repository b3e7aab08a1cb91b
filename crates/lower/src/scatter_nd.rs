//! ScatterNd: the data with slices replaced by, or combined with, updates, one for each tuple of indices. The data is
//! copied; then every thread goes through all updates in order for its own part of the slice, so that the result does not
//! depend on the number of threads. Indices out of range are clamped into it.

use crate::copy_kernel::not_here;
use crate::gather_nd::load_tuple;
use crate::row_copy::{copy_row, native_lanes, power_of_two_below};
use crate::scatter_elements::{combine, combines, copy_data, scatter_seconds, scatter_type};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::ScatterKind;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Axis, Kernel, KernelBuilder, Role};
use cnnc_tensor::{Layout, Target};

/// Updates of slices.
pub static SCATTER_ND: Algorithm = Algorithm {
    name: "scatter_nd",
    about: "slices named by tuples replaced or combined",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| parameters(region).map_or(vec![], |_| vec![Candidate::new("scatter_nd", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| Work { flops: 0.0, seconds: scatter_seconds(region) },
    lower,
};

/// Elements of a slice that a thread should have at least.
const SMALLEST_PART: usize = 64;

/// Length of the tuples, and the combination.
fn parameters(region: &Region) -> Option<(usize, ScatterKind)> {
    let &Op::ScatterNd { kind } = region.op else { return None };
    let (data, &k) = (&region.inputs[0], region.inputs[1].dims.last()?);
    let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
    let reachable = !data.dims[..k].contains(&0) || region.inputs[2].count() == 0;
    (plain && reachable && combines(kind, data.dtype)).then_some((k, kind))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some((k, kind)) = parameters(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() == 0 {
        return Ok(lowering.finish());
    }
    let data = copy_data("scatter_nd_data", &region.inputs[0], target);
    lowering.call(data, vec![Operand::Input(0), Operand::Output(0)]);
    if region.inputs[2].count() > 0 {
        let operands = vec![Operand::Input(1), Operand::Input(2), Operand::Output(0)];
        lowering.call(update(region, k, kind, target), operands);
    }
    lowering.in_place(0, 0);
    Ok(lowering.finish())
}

fn update(region: &Region, k: usize, kind: ScatterKind, target: &Target) -> Kernel {
    let (data, picks) = (&region.inputs[0], &region.inputs[1]);
    let dtype = scatter_type(kind, data.dtype);
    let width = native_lanes(dtype, target);
    let row: usize = data.dims[k..].iter().product();
    let tuples: usize = picks.dims[..picks.dims.len() - 1].iter().product();
    let parts = (1..=row / SMALLEST_PART).rev().find(|&p| p <= 64 && row.is_multiple_of(p)).unwrap_or(1);
    let part = row / parts;
    let lanes = power_of_two_below(part.min(width));
    let mut b = KernelBuilder::new("scatter_nd");
    let indices = b.buffer("indices", picks.dtype, picks.count(), Role::Read);
    let updates = b.buffer("updates", dtype, tuples * row, Role::Read);
    let result = b.buffer("result", dtype, data.count(), Role::ReadWrite);
    b.parallel(parts, |b, number| {
        let begin = b.scale(number, part as i64);
        b.serial(0, tuples as i64, |b, tuple| {
            let slice = load_tuple(b, indices, tuple, &data.dims[..k], row);
            let to = b.add(slice, begin);
            let from = b.address(0, &[(tuple, row as i64), (begin, 1)]);
            if kind == ScatterKind::Replace {
                return copy_row(b, (updates, from), (result, to), part, width);
            }
            // Vectors may not overlap here: each element is combined once.
            let mut each = |first: usize, end: usize, lanes: usize| {
                let (first, end) = (b.index(first as i64), b.index(end as i64));
                b.for_axis(Axis::Serial, first, end, lanes as i64, |b, offset| {
                    let (from, to) = (b.add(from, offset), b.add(to, offset));
                    let (old, update) = (b.load(result, to, lanes as u16), b.load(updates, from, lanes as u16));
                    let new = combine(b, kind, old, update);
                    b.store(result, to, new);
                });
            };
            let whole = part - part % lanes;
            each(0, whole, lanes);
            if whole < part {
                each(whole, part, 1);
            }
        });
    });
    b.finish()
}
