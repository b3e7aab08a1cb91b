//! Pooling over one to three spatial axes, in blocked and plain layouts.
//!
//! Rows of results are spread over threads. Columns whose windows lie inside the operand take a fixed number of taps
//! without any test; the others bound each tap loop by the operand's edge. In a blocked layout a vector holds the channels
//! of one pixel; in the plain one neighbouring columns where the window steps by one, else a single column.

mod geometry;
mod kernel;
mod window;

use crate::cost::{region_bytes, roofline};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{Layout, Target};
use geometry::Geometry;

/// Pooling.
pub static POOL: Algorithm = Algorithm {
    name: "pool",
    about: "maximum, average and Lp pooling over windows",
    accuracy: Accuracy::Rounding,
    error: crate::error::reduction,
    class: Class::Tuned,
    candidates: |region, _, _| if applies(region) { vec![Candidate::new("pool", &[])] } else { vec![] },
    packings: |_, _, _| vec![],
    work,
    lower,
};

fn applies(region: &Region) -> bool {
    let Op::Pool { indices, .. } = region.op else { return false };
    let layout = region.inputs[0].layout;
    region.outputs.iter().all(|y| y.layout == layout) && (layout == Layout::Plain || !indices)
}

fn work(region: &Region, _: &Candidate, target: &Target) -> Work {
    let Op::Pool { window, .. } = region.op else { return Work::default() };
    let taps: usize = window.kernel.iter().product();
    let flops = (region.outputs[0].count() * taps) as f64;
    let scalar = region.inputs[0].layout == Layout::Plain && window.strides.last() != Some(&1);
    let efficiency = if scalar { 0.25 / target.lanes as f64 } else { 0.2 };
    Work { flops, seconds: roofline(target, flops, efficiency, region_bytes(region), 1) }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::Pool { kind, window, count_pads_end, indices, column_major } = region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not a pool".into() });
    };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() == 0 {
        return Ok(lowering.finish());
    }
    let (x, y) = (&region.inputs[0], &region.outputs[0]);
    let geometry = Geometry::new(window, count_pads_end, &x.dims[2..], &y.dims[2..]);
    let pool = kernel::Pool { kind: *kind, geometry, x, y, indices: indices.then_some(*column_major) };
    let results = (0..region.outputs.len()).map(Operand::Output);
    lowering.call(pool.kernel(target), [Operand::Input(0)].into_iter().chain(results).collect());
    Ok(lowering.finish())
}
