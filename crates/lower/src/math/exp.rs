//! Exponential: `e^x = 2^n e^r` with `n = round(x / ln 2)` and `r = x - n ln 2` in two parts (Cody and Waite), then a
//! polynomial in `r`. Error: below 1 ulp (f32), 1.5 ulp (f64).

use super::Floats;
use cnnc_ir::kernel::{BinOp, Val};

/// `(e^r - 1 - r) / r^2` for `|r| <= ln(2) / 2`.
const SINGLE: [f64; 5] = [4.9999994e-01, 1.666652e-01, 4.1668393e-02, 8.36878e-03, 1.3814496e-03];
const DOUBLE: [f64; 11] = [
    0.5,
    0.16666666666666682,
    0.04166666666666609,
    0.008333333333316921,
    0.0013888888889117628,
    0.00019841269896672765,
    2.4801586923921192e-05,
    2.755723456573046e-06,
    2.7557583348031e-07,
    2.5112142419740003e-08,
    2.0826375035717863e-09,
];

/// `e^x`.
pub fn exp(v: &Floats, x: Val) -> Val {
    exp_of_sum(v, x, None)
}

/// `e^(x + low)`, where `low` is tiny beside `x` or both are small.
pub(super) fn exp_of_sum(v: &Floats, x: Val, low: Option<Val>) -> Val {
    let (lowest, highest, ln2_high, ln2_low) = if v.single() {
        (-104.0, 89.0, 0.693115234375, 3.194618329871446e-05)
    } else {
        (-746.0, 710.0, 0.6931471805598903, 5.497923018708371e-14)
    };
    let x = v.binary(BinOp::Max, v.c(lowest), x);
    let x = v.binary(BinOp::Min, v.c(highest), x);
    let (n, exponent) = v.nearest(v.mul(x, v.c(std::f64::consts::LOG2_E)));
    let r = v.fma(n, v.c(-ln2_high), x);
    let mut r = v.fma(n, v.c(-ln2_low), r);
    if let Some(low) = low {
        r = v.add(r, low);
    }
    let series = v.polynomial(r, if v.single() { &SINGLE } else { &DOUBLE });
    let square = v.mul(r, r);
    let fraction = v.add(v.fma(series, square, r), v.c(1.0));
    v.scale(fraction, exponent)
}
