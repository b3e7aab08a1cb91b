//! Sine and cosine: the angle reduced to a quarter turn ([`super::angle`]), then `r + r^3 S(r^2)` or `1 - r^2/2 + r^4 C(r^2)`.
//! Error: below 1.5 ulp (f32, every finite operand), 2 ulp (f64 up to 1e6; beyond, 1e-15 absolute).

use super::{Floats, angle};
use cnnc_ir::kernel::{BinOp, CmpOp, Val};
use cnnc_tensor::DType;

const SINE_SINGLE: [f64; 3] = [-1.6666655e-01, 8.332176e-03, -1.9516978e-04];
const COSINE_SINGLE: [f64; 3] = [4.1666646e-02, -1.3887313e-03, 2.4432788e-05];
const SINE_DOUBLE: [f64; 7] = [
    -0.16666666666666666,
    0.008333333333333323,
    -0.00019841269841255064,
    2.7557319214187813e-06,
    -2.505210491088652e-08,
    1.6058366535993523e-10,
    -7.578693236540202e-13,
];
const COSINE_DOUBLE: [f64; 7] = [
    0.041666666666666664,
    -0.0013888888888888872,
    2.480158730157047e-05,
    -2.755731921496414e-07,
    2.087675427904674e-09,
    -1.1470283929972267e-11,
    4.7377094829036873e-14,
];

/// `sin x`.
pub fn sin(v: &Floats, x: Val) -> Val {
    shifted_sine(v, x, 0)
}

/// `cos x`.
pub fn cos(v: &Floats, x: Val) -> Val {
    shifted_sine(v, x, 1)
}

/// The sine of `x` plus a number of quarter turns.
fn shifted_sine(v: &Floats, x: Val, quarters: i64) -> Val {
    let wide = v.convert(x, DType::F64);
    let bits = if v.single() { 24 } else { 53 };
    let (r, turns) = v.with_double(|d| angle::reduce(d, wide, bits));
    let (r, turns) = (v.convert(r, v.dtype), v.convert(turns, v.int_type()));
    let turns = v.add(turns, v.int(quarters));
    let square = v.mul(r, r);
    let series = v.polynomial(square, if v.single() { &SINE_SINGLE } else { &SINE_DOUBLE });
    let sine = v.fma(v.mul(series, square), r, r);
    let series = v.polynomial(square, if v.single() { &COSINE_SINGLE } else { &COSINE_DOUBLE });
    let half = v.mul(square, v.c(0.5));
    let cosine = v.add(v.sub(v.c(1.0), half), v.mul(series, v.mul(square, square)));
    let odd = v.compare(CmpOp::Ne, v.binary(BinOp::And, turns, v.int(1)), v.int(0));
    let down = v.compare(CmpOp::Ne, v.binary(BinOp::And, turns, v.int(2)), v.int(0));
    let value = v.select(odd, cosine, sine);
    v.select(down, v.neg(value), value)
}
