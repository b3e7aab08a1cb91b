//! Softmax and its logarithm: the largest element is subtracted, the exponentials summed, then divided by their sum.
//!
//! Three passes over a row that stays in the cache: largest, exponentials (stored in the result) with their sum, scaling.
//! The logarithm, and half-precision rows, store nothing in between and take `x` again in the last pass.

use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::math::{Floats, exp, log};
use crate::reduction::{Accumulators, Reduction};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{Layout, Scalar, Target};

/// Softmax.
pub static SOFTMAX: Algorithm = Algorithm {
    name: "softmax",
    about: "softmax or its logarithm along adjacent axes",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Tuned,
    candidates: |region, _, _| {
        let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
        if matches!(region.op, Op::Softmax { .. }) && plain { vec![Candidate::new("softmax", &[])] } else { vec![] }
    },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let flops = 25.0 * region.inputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.4, 2.0 * region_bytes(region), 1) }
    },
    lower,
};

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::Softmax { axis, end, log } = *region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not a softmax".into() });
    };
    let mut lowering = LoweringBuilder::default();
    let x = &region.inputs[0];
    if x.count() == 0 {
        return Ok(lowering.finish());
    }
    let along: usize = x.dims[axis..end].iter().product();
    let (before, after) = (x.dims[..axis].iter().product(), x.dims[end..].iter().product());
    let native = target.lanes * 4 / working_type(x.dtype).size();
    let reduction = match after {
        1 => Reduction::new(vec![before, along], vec![false, true], native),
        _ => Reduction::new(vec![before, along, after], vec![false, true, false], native),
    };
    lowering.call(kernel(&reduction, x, log), vec![Operand::Input(0), Operand::Output(0)]);
    if !reduction.overlaps() {
        lowering.in_place(0, 0);
    }
    Ok(lowering.finish())
}

fn kernel(reduction: &Reduction, ty: &TensorType, logarithm: bool) -> Kernel {
    let mut b = KernelBuilder::new("softmax");
    let x = b.buffer("x", ty.dtype, ty.count(), Role::Read);
    let y = b.buffer("y", ty.dtype, ty.count(), Role::Write);
    if !reduction.overlaps() {
        b.may_alias(x);
        b.may_alias(y);
    }
    let dtype = working_type(ty.dtype);
    let stored = !logarithm && dtype == ty.dtype;
    let (zero, lowest) = (Scalar::from_f64(dtype, 0.0), Scalar::from_f64(dtype, f64::NEG_INFINITY));
    reduction.parallel(&mut b, |b, site| {
        let slots = reduction.slots();
        let largest = Accumulators::new(b, slots, reduction.lanes, lowest);
        let max = |b: &mut KernelBuilder, total: Val, value: Val| b.binary(BinOp::Max, value, total);
        reduction.pass(b, site, slots, |b, element| {
            let value = element.load(b, x);
            let value = element.valid(b, value, lowest);
            largest.add(b, element.slot, value, max);
        });
        let largest = largest.total(b, max);
        let largest = reduction.fold(b, BinOp::Max, largest);
        let largest = reduction.spread(b, largest);

        // The exponential hides its own latency: two sums are enough.
        let slots = slots.min(2);
        let sums = Accumulators::new(b, slots, reduction.lanes, zero);
        reduction.pass(b, site, slots, |b, element| {
            let value = element.load(b, x);
            let shifted = b.sub(value, largest);
            let power = exp(&Floats::like(b, shifted), shifted);
            if stored {
                element.store(b, y, power);
            }
            let power = element.valid(b, power, zero);
            sums.add(b, element.slot, power, |b, total, value| b.add(total, value));
        });
        let sum = sums.total(b, |b, x, y| b.add(x, y));
        let sum = reduction.fold(b, BinOp::Add, sum);

        let scale = if logarithm {
            let scale = log(&Floats::like(b, sum), sum);
            let scale = reduction.spread(b, scale);
            b.add(largest, scale)
        } else {
            let one = b.constant(Scalar::from_f64(dtype, 1.0), reduction.site_lanes());
            let scale = b.binary(BinOp::Div, one, sum);
            reduction.spread(b, scale)
        };
        reduction.pass(b, site, 1, |b, element| {
            let value = element.load(b, if stored { y } else { x });
            let result = if logarithm {
                b.sub(value, scale)
            } else if stored {
                b.mul(value, scale)
            } else {
                let shifted = b.sub(value, largest);
                let power = exp(&Floats::like(b, shifted), shifted);
                b.mul(power, scale)
            };
            element.store(b, y, result);
        });
    });
    b.finish()
}
