//! Index of the largest or smallest element along an axis.
//!
//! Each lane keeps its best element and where it stands; where the lanes run along the axis they are then compared half
//! against half. NaN is never better than a number.

use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::reduction::Reduction;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, CmpOp, Kernel, KernelBuilder, Role, Ty, Val};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// ArgMax and ArgMin.
pub static ARG_REDUCE: Algorithm = Algorithm {
    name: "arg_reduce",
    about: "index of the largest or smallest element along an axis",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| {
        let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
        let applies = matches!(region.op, Op::ArgReduce { .. }) && plain;
        if applies { vec![Candidate::new("arg_reduce", &[])] } else { vec![] }
    },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let flops = region.inputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.1, region_bytes(region), 1) }
    },
    lower,
};

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::ArgReduce { largest, axis, last, .. } = *region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not an arg_reduce".into() });
    };
    let mut lowering = LoweringBuilder::default();
    let x = &region.inputs[0];
    if x.count() == 0 {
        return Ok(lowering.finish());
    }
    let (before, along) = (x.dims[..axis].iter().product(), x.dims[axis]);
    let after: usize = x.dims[axis + 1..].iter().product();
    let native = (target.lanes * 4 / working_type(x.dtype).size().max(4)).min(64);
    let reduction = match after {
        1 => Reduction::new(vec![before, along], vec![false, true], native),
        _ => Reduction::new(vec![before, along, after], vec![false, true, false], native),
    };
    let arg = ArgReduce { largest, last, reduction };
    lowering.call(arg.kernel(x, &region.outputs[0]), vec![Operand::Input(0), Operand::Output(0)]);
    Ok(lowering.finish())
}

struct ArgReduce {
    largest: bool,
    last: bool,
    reduction: Reduction,
}

/// Type of positions along the axis: as wide as the common elements.
const POSITION: DType = DType::I32;

impl ArgReduce {
    fn kernel(&self, from: &TensorType, to: &TensorType) -> Kernel {
        let mut b = KernelBuilder::new("arg_reduce");
        let x = b.buffer("x", from.dtype, from.count(), Role::Read);
        let y = b.buffer("y", DType::I64, to.count(), Role::Write);
        let lanes = self.reduction.lanes;
        let across = self.reduction.across();
        self.reduction.parallel(&mut b, |b, site| {
            let best = b.var(Ty::vector(working_type(from.dtype), lanes));
            let position = b.var(Ty::vector(POSITION, lanes));
            let nothing = b.constant(Scalar::from_i64(working_type(from.dtype), 0), lanes);
            let unset = b.constant(Scalar::from_i64(POSITION, -1), lanes);
            b.set(best, nothing);
            b.set(position, unset);
            self.reduction.pass(b, site, 1, |b, element| {
                let value = element.load(b, x);
                let at = b.convert(element.coords[1], POSITION);
                let at = if across { b.splat(at, lanes) } else { b.lanes(at, lanes) };
                let (kept, place) = (b.get(best), b.get(position));
                let mut better = self.better(b, value, kept);
                let none = b.compare(CmpOp::Eq, place, unset);
                better = b.binary(BinOp::Or, better, none);
                let place_now = b.select(better, at, place);
                let place_now = match element.count {
                    None => place_now,
                    Some(_) => self.valid(b, element, place_now, place),
                };
                let moved = b.compare(CmpOp::Ne, place_now, place);
                let kept = b.select(moved, value, kept);
                b.set(best, kept);
                b.set(position, place_now);
            });
            let (kept, place) = (b.get(best), b.get(position));
            let place = if across { place } else { self.fold(b, kept, place) };
            let place = b.convert(place, DType::I64);
            b.store(y, site.number, place);
        });
        b.finish()
    }

    /// Whether a later value replaces the one kept.
    fn better(&self, b: &mut KernelBuilder, value: Val, kept: Val) -> Val {
        let op = match (self.largest, self.last) {
            (true, false) => CmpOp::Gt,
            (true, true) => CmpOp::Ge,
            (false, false) => CmpOp::Lt,
            (false, true) => CmpOp::Le,
        };
        let better = b.compare(op, value, kept);
        if !b.ty(value).dtype.is_float() {
            return better;
        }
        let nan = b.compare(CmpOp::Ne, kept, kept);
        b.binary(BinOp::Or, better, nan)
    }

    /// `now` in valid lanes of an element, `before` in the others.
    fn valid(&self, b: &mut KernelBuilder, element: &crate::reduction::Element, now: Val, before: Val) -> Val {
        let lanes = self.reduction.lanes;
        let mark = b.constant(Scalar::from_i64(POSITION, 1), lanes);
        let mark = element.valid(b, mark, Scalar::from_i64(POSITION, 0));
        let zero = b.constant(Scalar::from_i64(POSITION, 0), lanes);
        let inside = b.compare(CmpOp::Ne, mark, zero);
        b.select(inside, now, before)
    }

    /// The best of all lanes: halves are compared until one lane is left.
    fn fold(&self, b: &mut KernelBuilder, mut kept: Val, mut place: Val) -> Val {
        let mut lanes = self.reduction.lanes;
        while lanes > 1 {
            lanes /= 2;
            let half = |b: &mut KernelBuilder, v: Val, from: u16| b.shuffle(v, v, (from..from + lanes).collect());
            let (low, high) = (half(b, kept, 0), half(b, kept, lanes));
            let (low_place, high_place) = (half(b, place, 0), half(b, place, lanes));
            let wins = self.wins(b, (high, high_place), (low, low_place));
            kept = b.select(wins, high, low);
            place = b.select(wins, high_place, low_place);
        }
        if b.ty(place).lanes == 1 { place } else { b.extract(place, 0) }
    }

    /// Whether one (value, position) beats another that may stand before or behind it.
    fn wins(&self, b: &mut KernelBuilder, a: (Val, Val), c: (Val, Val)) -> Val {
        let strict = b.compare(if self.largest { CmpOp::Gt } else { CmpOp::Lt }, a.0, c.0);
        let mut equal = b.compare(CmpOp::Eq, a.0, c.0);
        let mut wins = strict;
        let later = b.compare(CmpOp::Gt, a.1, c.1);
        if b.ty(a.0).dtype.is_float() {
            // Among NaNs alone the last counts; a number beats a NaN.
            let (a_nan, c_nan) = (b.compare(CmpOp::Ne, a.0, a.0), b.compare(CmpOp::Ne, c.0, c.0));
            let number = b.compare(CmpOp::Eq, a.0, a.0);
            let over_nan = b.binary(BinOp::And, c_nan, number);
            wins = b.binary(BinOp::Or, wins, over_nan);
            let both = b.binary(BinOp::And, a_nan, c_nan);
            let last_nan = b.binary(BinOp::And, both, later);
            wins = b.binary(BinOp::Or, wins, last_nan);
        }
        let preferred = if self.last { later } else { b.compare(CmpOp::Lt, a.1, c.1) };
        equal = b.binary(BinOp::And, equal, preferred);
        let wins = b.binary(BinOp::Or, wins, equal);
        // A lane that saw nothing never wins and always loses.
        let lanes = b.ty(a.1).lanes;
        let unset = b.constant(Scalar::from_i64(POSITION, -1), lanes);
        let (a_set, c_unset) = (b.compare(CmpOp::Ne, a.1, unset), b.compare(CmpOp::Eq, c.1, unset));
        let wins = b.binary(BinOp::Or, wins, c_unset);
        b.binary(BinOp::And, wins, a_set)
    }
}
