//! Running sum along an axis: vectors over the axes behind it, else one element after the other.

use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::rows::parallel_points;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, Kernel, KernelBuilder, Role, Ty};
use cnnc_tensor::{Layout, Scalar, Target};

/// Running sums.
pub static CUM_SUM: Algorithm = Algorithm {
    name: "cum_sum",
    about: "running sum along an axis",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Generic,
    candidates: |region, _, _| {
        let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
        if matches!(region.op, Op::CumSum { .. }) && plain { vec![Candidate::new("cum_sum", &[])] } else { vec![] }
    },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let flops = region.inputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.02, region_bytes(region), 1) }
    },
    lower,
};

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::CumSum { axis, exclusive, reverse } = *region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not a cum_sum".into() });
    };
    let mut lowering = LoweringBuilder::default();
    let x = &region.inputs[0];
    if x.count() == 0 {
        return Ok(lowering.finish());
    }
    lowering.call(kernel(x, axis, exclusive, reverse, target), vec![Operand::Input(0), Operand::Output(0)]);
    Ok(lowering.finish())
}

fn kernel(ty: &TensorType, axis: usize, exclusive: bool, reverse: bool, target: &Target) -> Kernel {
    let mut b = KernelBuilder::new("cum_sum");
    let x = b.buffer("x", ty.dtype, ty.count(), Role::Read);
    let y = b.buffer("y", ty.dtype, ty.count(), Role::Write);
    let dtype = working_type(ty.dtype);
    let (before, along) = (ty.dims[..axis].iter().product(), ty.dims[axis] as i64);
    let after: usize = ty.dims[axis + 1..].iter().product();
    let lanes = (target.lanes * 4 / dtype.size()).clamp(1, 64).min(1 << after.ilog2());
    let sites = [before, after.div_ceil(lanes)];
    parallel_points(&mut b, &sites, along as usize * lanes, |b, site| {
        let mut column = b.scale(site[1], lanes as i64);
        if !after.is_multiple_of(lanes) {
            // The last vector overlaps the one before.
            let last = b.index((after - lanes) as i64);
            column = b.binary(BinOp::Min, column, last);
        }
        let start = b.address(0, &[(site[0], along * after as i64), (column, 1)]);
        let sum = b.var(Ty::vector(dtype, lanes as u16));
        let zero = b.constant(Scalar::from_i64(dtype, 0), lanes as u16);
        b.set(sum, zero);
        b.serial(0, along, |b, step| {
            let last = b.index(along - 1);
            let step = if reverse { b.sub(last, step) } else { step };
            let at = b.scale(step, after as i64);
            let at = b.add(start, at);
            let value = b.load(x, at, lanes as u16);
            let value = b.convert(value, dtype);
            let before = b.get(sum);
            let total = b.add(before, value);
            b.set(sum, total);
            let result = b.convert(if exclusive { before } else { total }, ty.dtype);
            b.store(y, at, result);
        });
    });
    b.finish()
}
