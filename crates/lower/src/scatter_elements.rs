//! ScatterElements: the data with single elements replaced by, or combined with, updates. The data is copied, then the
//! lines along the axis are worked on independently, each in the order of its updates, so that the result does not depend
//! on the number of threads. Indices out of range are clamped into it.

use crate::copy_kernel::{copy_kernel, not_here};
use crate::row_copy::{bits_type, load_index, parallel_items};
use crate::strided_copy::{CopyAxis, StridedCopy};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::ScatterKind;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Layout, Target, row_major_strides};

/// Updates of single elements.
pub static SCATTER_ELEMENTS: Algorithm = Algorithm {
    name: "scatter_elements",
    about: "single elements along an axis replaced or combined",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| parameters(region).map_or(vec![], |_| vec![Candidate::new("scatter_elements", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| Work { flops: 0.0, seconds: scatter_seconds(region) },
    lower,
};

/// Estimated time of a scatter.
pub fn scatter_seconds(region: &Region) -> f64 {
    region.outputs[0].bytes() as f64 * 1e-10 + region.inputs[2].count() as f64 * 5e-9
}

fn parameters(region: &Region) -> Option<(usize, ScatterKind)> {
    let &Op::ScatterElements { axis, kind } = region.op else { return None };
    let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
    let reachable = region.inputs[0].dims[axis] > 0 || region.inputs[2].count() == 0;
    (plain && reachable && combines(kind, region.inputs[0].dtype)).then_some((axis, kind))
}

/// Whether elements of a type can be combined.
pub fn combines(kind: ScatterKind, dtype: DType) -> bool {
    dtype != DType::Bool || !matches!(kind, ScatterKind::Add | ScatterKind::Mul)
}

/// The type that buffers are declared as: only sums and the like need to know what the bits mean.
pub fn scatter_type(kind: ScatterKind, dtype: DType) -> DType {
    if kind == ScatterKind::Replace || dtype == DType::Bool { bits_type(dtype) } else { dtype }
}

/// What an update makes of an element; half floats are combined in single precision.
pub fn combine(b: &mut KernelBuilder, kind: ScatterKind, old: Val, update: Val) -> Val {
    let dtype = b.ty(old).dtype;
    if kind != ScatterKind::Replace && matches!(dtype, DType::F16 | DType::BF16) {
        let (old, update) = (b.convert(old, DType::F32), b.convert(update, DType::F32));
        let result = combine(b, kind, old, update);
        return b.convert(result, dtype);
    }
    let op = match kind {
        ScatterKind::Replace => return update,
        ScatterKind::Add => BinOp::Add,
        ScatterKind::Mul => BinOp::Mul,
        ScatterKind::Max => BinOp::Max,
        ScatterKind::Min => BinOp::Min,
    };
    let result = b.binary(op, old, update);
    if !dtype.is_float() || matches!(op, BinOp::Add | BinOp::Mul) {
        return result;
    }
    // Max and Min give the second operand where one is NaN; the first may be it.
    let nan = b.compare(CmpOp::Ne, old, old);
    b.select(nan, old, result)
}

/// The kernel that copies the data to the result, which may be the same memory.
pub fn copy_data(name: &str, data: &TensorType, target: &Target) -> Kernel {
    let axes = vec![CopyAxis { extent: data.count(), from: 1, to: 1 }];
    let copy = StridedCopy { operand: Some(0), from: 0, to: 0, axes, zeros: 0 };
    let mut kernel = copy_kernel(name, data.dtype, &[data.count()], data.count(), &[copy], target);
    kernel.buffers.iter_mut().for_each(|buffer| buffer.may_alias = true);
    kernel
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some((axis, kind)) = parameters(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() == 0 {
        return Ok(lowering.finish());
    }
    let data = copy_data("scatter_elements_data", &region.inputs[0], target);
    lowering.call(data, vec![Operand::Input(0), Operand::Output(0)]);
    if region.inputs[2].count() > 0 {
        let operands = vec![Operand::Input(1), Operand::Input(2), Operand::Output(0)];
        lowering.call(update(region, axis, kind), operands);
    }
    lowering.in_place(0, 0);
    Ok(lowering.finish())
}

fn update(region: &Region, axis: usize, kind: ScatterKind) -> Kernel {
    let (data, picks) = (&region.inputs[0], &region.inputs[1]);
    let dtype = scatter_type(kind, data.dtype);
    let mut b = KernelBuilder::new("scatter_elements");
    let indices = b.buffer("indices", picks.dtype, picks.count(), Role::Read);
    let updates = b.buffer("updates", dtype, picks.count(), Role::Read);
    let result = b.buffer("result", dtype, data.count(), Role::ReadWrite);
    let mut lines = picks.dims.clone();
    let length = std::mem::replace(&mut lines[axis], 1);
    let (from, to) = (row_major_strides(&picks.dims), row_major_strides(&data.dims));
    let address = |b: &mut KernelBuilder, coords: &[Val], strides: &[usize]| {
        let terms: Vec<_> = coords.iter().copied().zip(strides.iter().map(|&s| s as i64)).collect();
        b.address(0, &terms)
    };
    let chunk = 1024 / length.clamp(1, 1024);
    parallel_items(&mut b, lines.iter().product(), chunk, |b, line| {
        let mut coords = b.unflatten(line, &lines);
        coords[axis] = b.index(0);
        let (first, base) = (address(b, &coords, &from), address(b, &coords, &to));
        b.serial(0, length as i64, |b, i| {
            let step = b.scale(i, from[axis] as i64);
            let at = b.add(first, step);
            let index = load_index(b, indices, at, data.dims[axis]);
            let inside = b.scale(index, to[axis] as i64);
            let place = b.add(base, inside);
            let update = b.load(updates, at, 1);
            let old = if kind == ScatterKind::Replace { update } else { b.load(result, place, 1) };
            let new = combine(b, kind, old, update);
            b.store(result, place, new);
        });
    });
    b.finish()
}
