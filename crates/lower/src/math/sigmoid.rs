//! Logistic function `1 / (1 + e^-x)`. Error: below 3 ulp (f32), 4 ulp (f64).
//!
//! In f32, which activations are made of, the exponential is one of its own: `e^-x = 2^n e^-r` with
//! `n = round(-x / ln 2)` and `r = x + n ln 2`, where `n` becomes an exponent as it stands in the rounded sum. What would
//! be below 2^-127 stays at it.

use super::{Floats, exp};
use cnnc_ir::kernel::{BinOp, Val};

/// `(e^-r - 1) / r` for `|r| <= ln(2) / 2`.
const POWER: [f64; 5] = [-0.99999971, 0.49999146, -0.1666764, 0.04189839, -0.0082902288];
/// ln 2 in two parts; products of the first with small integers are exact.
const LN2: (f64, f64) = (0.693115234375, 3.194618329871446e-05);
/// The operands for which `2^n` is a normal number.
const RANGE: (f64, f64) = (-88.0, 87.0);

/// `1 / (1 + e^-x)`.
pub fn sigmoid(v: &Floats, x: Val) -> Val {
    v.div(v.c(1.0), denominator(v, x))
}

/// `x / (1 + e^-x)`, the product of `x` and its logistic function (SiLU).
pub fn gated(v: &Floats, x: Val) -> Val {
    v.div(x, denominator(v, x))
}

fn denominator(v: &Floats, x: Val) -> Val {
    let power = if v.single() { power(v, x) } else { exp(v, v.neg(x)) };
    v.add(v.c(1.0), power)
}

/// `e^-x` in f32.
fn power(v: &Floats, x: Val) -> Val {
    let x = v.binary(BinOp::Max, v.c(RANGE.0), x);
    let x = v.binary(BinOp::Min, v.c(RANGE.1), x);
    let magic = v.c(v.magic());
    let shifted = v.fma(x, v.c(-std::f64::consts::LOG2_E), magic);
    let n = v.sub(shifted, magic);
    let r = v.fma(n, v.c(LN2.1), v.fma(n, v.c(LN2.0), x));
    let fraction = v.fma(v.polynomial(r, &POWER), r, v.c(1.0));
    // The low bits of `shifted` are n; the shift leaves nothing else. A product, so that NaN stays NaN.
    let exponent = v.binary(BinOp::Shl, v.bits(shifted), v.int(v.fraction_bits()));
    v.mul(fraction, v.from_bits(v.add(exponent, v.bits(v.c(1.0)))))
}
