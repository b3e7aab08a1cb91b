//! Floating-point remainder, exact: long division of the fractions as integers, as many bits a step as fit 64, over the
//! largest difference of exponents among the lanes.

use super::Floats;
use cnnc_ir::kernel::{Axis, BinOp, CmpOp, Ty, Val};
use cnnc_tensor::{DType, Scalar};

/// `x - trunc(x / y) y`, exactly (C's fmod): sign of `x`; NaN where `x` is infinite or `y` zero.
pub fn remainder(v: &Floats, x: Val, y: Val) -> Val {
    let (fraction_x, exponent_x) = parts(v, x);
    let (fraction_y, exponent_y) = parts(v, y);
    let digits = 64 - (v.fraction_bits() + 1);
    let difference = v.sub(exponent_x, exponent_y);
    let rest = v.builder(|b| {
        let lanes = v.lanes;
        let constant = |b: &mut cnnc_ir::kernel::KernelBuilder, c: i64| b.constant(Scalar::i64(c), lanes);
        let (rest, left) = (b.var(Ty::vector(DType::U64, lanes)), b.var(Ty::vector(DType::I64, lanes)));
        let first = b.binary(BinOp::Rem, fraction_x, fraction_y);
        b.set(rest, first);
        b.set(left, difference);
        let most = b.fold(BinOp::Max, difference);
        let (begin, step) = (b.index(0), digits);
        b.for_axis(Axis::Serial, begin, most, step, |b, _| {
            let (now, remaining) = (b.get(rest), b.get(left));
            let zero = constant(b, 0);
            let at_most = constant(b, digits);
            let shift = b.binary(BinOp::Max, remaining, zero);
            let shift = b.binary(BinOp::Min, shift, at_most);
            let remaining = b.sub(remaining, shift);
            b.set(left, remaining);
            let shift = b.convert(shift, DType::U64);
            let grown = b.binary(BinOp::Shl, now, shift);
            let now = b.binary(BinOp::Rem, grown, fraction_y);
            b.set(rest, now);
        });
        let rest = b.get(rest);
        let whole = b.convert(rest, DType::I64);
        b.convert(whole, v.dtype)
    });
    let unit = v.convert(exponent_y, v.int_type());
    let unit = v.sub(unit, v.int(v.bias() + v.fraction_bits()));
    let magnitude = v.scale(rest, unit);
    let smaller = v.lt(v.abs(x), v.abs(y));
    let result = v.select(smaller, x, v.copy_sign(magnitude, x));
    let infinite = v.eq(v.abs(x), v.c(f64::INFINITY));
    let undefined = v.binary(BinOp::Or, infinite, v.eq(y, v.c(0.0)));
    let unordered = v.binary(BinOp::Or, v.compare(CmpOp::Ne, x, x), v.compare(CmpOp::Ne, y, y));
    v.select(v.binary(BinOp::Or, undefined, unordered), v.c(f64::NAN), result)
}

/// `x - floor(x / y) y`, rounded once: sign of `y`.
pub fn floored_remainder(v: &Floats, x: Val, y: Val) -> Val {
    let rest = remainder(v, x, y);
    let zero = v.c(0.0);
    let apart = v.binary(BinOp::Xor, v.lt(rest, zero), v.lt(y, zero));
    let wrong = v.binary(BinOp::And, apart, v.compare(CmpOp::Ne, rest, zero));
    v.select(wrong, v.add(rest, y), rest)
}

/// The fraction with its leading bit (u64) and the stored exponent (i64, 1 for denormals) of each lane.
fn parts(v: &Floats, x: Val) -> (Val, Val) {
    let bits = v.bits(v.abs(x));
    let fraction = v.binary(BinOp::And, bits, v.int((1 << v.fraction_bits()) - 1));
    let exponent = v.binary(BinOp::Shr, bits, v.int(v.fraction_bits()));
    let normal = v.compare(CmpOp::Gt, exponent, v.int(0));
    let leading = v.select(normal, v.int(1 << v.fraction_bits()), v.int(0));
    let fraction = v.add(fraction, leading);
    let exponent = v.binary(BinOp::Max, exponent, v.int(1));
    (v.convert(v.convert(fraction, DType::I64), DType::U64), v.convert(exponent, DType::I64))
}
