//! Resize where every result element is a copy of one operand element (one tap of weight 1): nearest neighbour, for
//! every element type. What follows the last resampled axis is a row copied by vectors.

use crate::copy_kernel::not_here;
use crate::operand::elements;
use crate::row_copy::{CHUNK_BYTES, bits_type, copy_row, native_lanes, parallel_items};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Kernel, KernelBuilder, Role};
use cnnc_tensor::{DType, Layout, Target, row_major_strides};

/// Copies picked by tables.
pub static RESIZE_NEAREST: Algorithm = Algorithm {
    name: "resize_nearest",
    about: "nearest-neighbour resampling by tables of indices",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| applies(region).map_or(vec![], |_| vec![Candidate::new("resize_nearest", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| {
        let axes = applies(region).unwrap_or_default();
        let row = axes.last().filter(|a| a.table.is_none()).map_or(1, |a| a.size);
        let rows = region.outputs[0].count() as f64 / row.max(1) as f64;
        Work { flops: 0.0, seconds: rows * 4e-10 + region.outputs[0].bytes() as f64 * 2.5e-11 }
    },
    lower,
};

/// A physical axis, or several adjacent ones that are not resampled, as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resampled {
    /// Size in the operand.
    pub source: usize,
    /// Size in the result.
    pub size: usize,
    /// Taps: 1 where not resampled.
    pub taps: usize,
    /// Which pair of tables resamples it.
    pub table: Option<usize>,
}

impl Resampled {
    /// The axis of the operand, not resampled.
    pub fn untouched(&self) -> Resampled {
        Resampled { source: self.source, size: self.source, taps: 1, table: None }
    }
}

/// The physical axes of a resize with constant tables whose indices all lie inside; `None` where there is no such.
pub fn resampled(region: &Region) -> Option<Vec<Resampled>> {
    let Op::Resize { axes, .. } = region.op else { return None };
    let (x, result) = (&region.inputs[0], &region.outputs[0]);
    let spatial = axes.iter().all(|&axis| axis != 1);
    if x.layout != result.layout || x.layout != Layout::Plain && !spatial {
        return None;
    }
    let (sources, sizes) = (x.layout.physical_dims(&x.dims), result.layout.physical_dims(&result.dims));
    let mut merged: Vec<Resampled> = vec![];
    for (axis, (&source, &size)) in sources.iter().zip(&sizes).enumerate() {
        let table = axes.iter().position(|&a| a == axis);
        let mut taps = 1;
        if let Some(k) = table {
            let index = region.constants.get(1 + 2 * k).copied().flatten()?;
            region.constants.get(2 + 2 * k).copied().flatten()?;
            taps = index.dims().get(1).copied()?;
            if index.to_i64_vec().into_iter().any(|i| i < 0 || i >= source as i64) {
                return None;
            }
        }
        match merged.last_mut() {
            Some(before) if before.table.is_none() && table.is_none() => {
                before.source *= source;
                before.size *= size;
            }
            _ => merged.push(Resampled { source, size, taps, table }),
        }
    }
    Some(merged)
}

/// Whether every table has one tap of weight 1.
pub fn copies_bits(region: &Region) -> bool {
    let pairs = region.constants.get(1..).unwrap_or_default().chunks_exact(2);
    pairs.into_iter().all(|pair| match (pair[0], pair[1]) {
        (Some(index), Some(weight)) => {
            index.dims().get(1) == Some(&1) && weight.to_f64_vec().into_iter().all(|w| w == 1.0)
        }
        _ => false,
    })
}

fn applies(region: &Region) -> Option<Vec<Resampled>> {
    if matches!(region.op, Op::Resize { .. }) && copies_bits(region) { resampled(region) } else { None }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Some(axes) = applies(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() > 0 {
        let tables = axes.iter().filter_map(|a| a.table).map(|k| Operand::Input(1 + 2 * k));
        let operands = [Operand::Input(0)].into_iter().chain(tables).chain([Operand::Output(0)]).collect();
        lowering.call(kernel(region, &axes, target), operands);
    }
    Ok(lowering.finish())
}

fn kernel(region: &Region, axes: &[Resampled], target: &Target) -> Kernel {
    let dtype = bits_type(region.inputs[0].dtype);
    let width = native_lanes(dtype, target);
    let mut b = KernelBuilder::new("resize_nearest");
    let x = b.buffer("x", dtype, elements(&region.inputs[0]), Role::Read);
    let mut tables = vec![None; axes.len()];
    for (k, axis) in axes.iter().enumerate().filter(|(_, a)| a.table.is_some()) {
        tables[k] = Some(b.buffer(&format!("index{k}"), DType::I64, axis.size, Role::Read));
    }
    let result = b.buffer("result", dtype, elements(&region.outputs[0]), Role::Write);
    // A row of elements stands behind the last resampled axis, which has a loop of its own.
    let last = tables.iter().rposition(Option::is_some).unwrap_or(0);
    let row = axes[last + 1..].iter().map(|a| a.size).product::<usize>();
    let outer: Vec<usize> = axes[..last].iter().map(|a| a.size).collect();
    let sources: Vec<usize> = axes.iter().map(|a| a.source).collect();
    let strides = row_major_strides(&sources);
    let chunk = CHUNK_BYTES / (axes[last].size * row * dtype.size());
    parallel_items(&mut b, outer.iter().product(), chunk, |b, line| {
        let mut base = b.index(0);
        for (k, coord) in b.unflatten(line, &outer).into_iter().enumerate() {
            let index = tables[k].map_or(coord, |table| b.load(table, coord, 1));
            let step = b.scale(index, strides[k] as i64);
            base = b.add(base, step);
        }
        b.serial(0, axes[last].size as i64, |b, at| {
            let index = tables[last].map_or(at, |table| b.load(table, at, 1));
            let from = b.address(0, &[(base, 1), (index, strides[last] as i64)]);
            let to = b.address(0, &[(line, (axes[last].size * row) as i64), (at, row as i64)]);
            copy_row(b, (x, from), (result, to), row, width);
        });
    });
    b.finish()
}
