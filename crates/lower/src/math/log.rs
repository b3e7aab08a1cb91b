//! Natural logarithm: `x = 2^e m` with `m` in `sqrt(1/2) .. sqrt(2)`, `f = m - 1`, and `ln x = e ln 2 + ln(1 + f)`. For f32
//! `ln(1 + f)` is `f - f^2/2 + f^3 P(f)`; for f64 it is `2s + s^3 R(s^2)` with `s = f / (2 + f)`. Error: below 1 ulp (f32), 2 ulp
//! (f64).

use super::Floats;
use cnnc_ir::kernel::{BinOp, CmpOp, Val};

/// `(ln(1 + f) - f + f^2/2) / f^3`.
const SINGLE: [f64; 9] = [
    3.3333313e-01,
    -2.500001e-01,
    2.0002119e-01,
    -1.6667996e-01,
    1.4219554e-01,
    -1.240559e-01,
    1.1888153e-01,
    -1.1675631e-01,
    6.746626e-02,
];
/// `(ln(1 + f) - 2s) / s^3` in `s^2`.
pub(super) const DOUBLE: [f64; 8] = [
    0.6666666666666666,
    0.4000000000000624,
    0.28571428569087337,
    0.22222222646576098,
    0.1818177568330901,
    0.15387089973191048,
    0.13250135952964565,
    0.1325116586576703,
];

/// `ln x`.
pub fn log(v: &Floats, x: Val) -> Val {
    let (f, e) = split_exponent(v, x);
    let finite = log_of_parts(v, f, e, None);
    specials(v, x, finite)
}

/// `(m - 1, e)` of a positive finite `x = 2^e m`, both floats.
pub(super) fn split_exponent(v: &Floats, x: Val) -> (Val, Val) {
    let shift = v.int(v.fraction_bits());
    let bits = v.bits(x);
    let base = v.bits(v.c(std::f64::consts::FRAC_1_SQRT_2));
    let e = v.binary(BinOp::Shr, v.sub(bits, base), shift);
    let m = v.from_bits(v.sub(bits, v.binary(BinOp::Shl, e, shift)));
    (v.sub(m, v.c(1.0)), v.float_of(e))
}

/// `e ln 2 + ln(1 + f) + low`.
pub(super) fn log_of_parts(v: &Floats, f: Val, e: Val, low: Option<Val>) -> Val {
    let (ln2_high, ln2_low) =
        if v.single() { (0.693115234375, 3.194618329871446e-05) } else { (0.6931471805598903, 5.497923018708371e-14) };
    let half_square = v.mul(v.mul(f, f), v.c(0.5));
    let small = if v.single() {
        let square = v.mul(f, f);
        let series = v.mul(v.mul(v.polynomial(f, &SINGLE), f), square);
        v.sub(v.fma(e, v.c(ln2_low), series), half_square)
    } else {
        let s = v.div(f, v.add(f, v.c(2.0)));
        let z = v.mul(s, s);
        let series = v.mul(v.polynomial(z, &DOUBLE), z);
        let tail = v.fma(s, v.add(half_square, series), v.mul(e, v.c(ln2_low)));
        v.sub(tail, half_square)
    };
    let small = low.map_or(small, |low| v.add(small, low));
    v.fma(e, v.c(ln2_high), v.add(f, small))
}

/// The logarithm where `x` is zero, negative, infinite or NaN; `finite` elsewhere.
pub(super) fn specials(v: &Floats, x: Val, finite: Val) -> Val {
    let infinity = v.c(f64::INFINITY);
    let large = v.select(v.eq(x, infinity), infinity, finite);
    let pole = v.select(v.eq(x, v.c(0.0)), v.c(f64::NEG_INFINITY), v.c(f64::NAN));
    v.select(v.compare(CmpOp::Gt, x, v.c(0.0)), large, pole)
}
