//! Floating-point remainder, exact: long division, as many bits a step as the arithmetic holds, over the largest
//! difference of exponents among the lanes. f32 divides in f64, 28 bits a step; f64 divides the fractions as integers.

use super::Floats;
use cnnc_ir::kernel::{Axis, BinOp, CmpOp, Ty, UnOp, Val};
use cnnc_tensor::{DType, Scalar};

/// `x - trunc(x / y) y`, exactly (C's fmod): sign of `x`; NaN where `x` is infinite or `y` zero.
pub fn remainder(v: &Floats, x: Val, y: Val) -> Val {
    let magnitude = if v.single() { single(v, v.abs(x), v.abs(y)) } else { double(v, x, y) };
    let smaller = v.lt(v.abs(x), v.abs(y));
    let magnitude = v.select(smaller, v.abs(x), magnitude);
    let result = v.copy_sign(magnitude, x);
    let infinite = v.eq(v.abs(x), v.c(f64::INFINITY));
    let undefined = v.binary(BinOp::Or, infinite, v.eq(y, v.c(0.0)));
    let unordered = v.binary(BinOp::Or, v.compare(CmpOp::Ne, x, x), v.compare(CmpOp::Ne, y, y));
    v.select(v.binary(BinOp::Or, undefined, unordered), v.c(f64::NAN), result)
}

/// Bits of the quotient that a step of f32 division finds: quotient times divisor is exact in f64.
const DIGITS: i64 = 28;

/// The remainder of `x >= y > 0`, f32.
fn single(v: &Floats, x: Val, y: Val) -> Val {
    let exponent = |x: Val| v.binary(BinOp::Shr, v.bits(x), v.int(v.fraction_bits()));
    let difference = v.sub(exponent(x), exponent(y));
    let lanes = v.lanes;
    let rest = v.builder(|b| {
        let most = b.fold(BinOp::Max, difference);
        let most = b.convert(most, DType::I64);
        let (zero, digits) = (b.index(0), b.index(DIGITS));
        let most = b.binary(BinOp::Max, most, zero);
        let last = b.binary(BinOp::Div, most, digits);
        let steps = b.offset(last, 1);
        let rest = b.var(Ty::vector(DType::F64, lanes));
        let start = b.convert(x, DType::F64);
        let divisor = b.convert(y, DType::F64);
        b.set(rest, start);
        b.for_axis(Axis::Serial, zero, steps, 1, |b, step| {
            let place = b.sub(last, step);
            let exponent = b.address(1023, &[(place, DIGITS)]);
            let exponent = b.scale(exponent, 1 << 52);
            let power = b.bitcast(exponent, DType::F64);
            let power = b.splat(power, lanes);
            let now = b.get(rest);
            let v = Floats::like(b, now);
            let scaled = v.mul(divisor, power);
            let quotient = v.unary(UnOp::Floor, v.div(now, scaled));
            // The rounded quotient may be one too large.
            let left = v.sub(now, v.mul(quotient, scaled));
            let left = v.select(v.lt(left, v.c(0.0)), v.add(left, scaled), left);
            b.set(rest, left);
        });
        b.get(rest)
    });
    v.convert(rest, DType::F32)
}

/// The magnitude of the remainder where `|x| >= |y| > 0`, f64.
fn double(v: &Floats, x: Val, y: Val) -> Val {
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
    v.scale(rest, unit)
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
