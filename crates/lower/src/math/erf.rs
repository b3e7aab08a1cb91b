//! Error function: `x + x P(x^2)` for `|x| <= 1`; beyond, `1 - erfc |x|` with the sign of `x`, where f32 takes `erfc` as the
//! exponential of a polynomial and f64 as `e^(-x^2)` times a polynomial in `(x - 2) / (x + 2)`. Error: below 2 ulp (f32), 2 ulp
//! (f64).

use super::{Floats, exp};
use cnnc_ir::kernel::{BinOp, CmpOp, Val};

/// `erf(x) / x - 1` in `x^2`.
const SINGLE_NEAR: [f64; 7] =
    [1.2837917e-01, -3.7612626e-01, 1.12835854e-01, -2.685381e-02, 5.188324e-03, -8.0101617e-04, 7.853761e-05];
/// `ln erfc(x)` for x in 1..4; the f32 result is 1 from 3.9 on.
const SINGLE_FAR: [f64; 8] = [
    1.880294e-04,
    -1.1295784e+00,
    -6.3322e-01,
    -1.0841847e-01,
    2.5208194e-02,
    -4.2045387e-03,
    4.413318e-04,
    -2.1686466e-05,
];
const DOUBLE_NEAR: [f64; 14] = [
    0.1283791670955126,
    -0.37612638903183754,
    0.11283791670955119,
    -0.026866170645129733,
    0.005223977625422082,
    -0.0008548327021852964,
    0.00012055332899348649,
    -1.4925647464868353e-05,
    1.646204340314225e-06,
    -1.6364614361315574e-07,
    1.4792145223474172e-08,
    -1.2163038897915095e-09,
    8.703779769727111e-11,
    -4.2228812725472845e-12,
];
/// `erfc(x) e^(x^2)` in `(x - 2) / (x + 2)` for x in 1..6; the f64 result is 1 from 5.93 on.
const DOUBLE_FAR: [f64; 14] = [
    0.25539567631050575,
    -0.42718584741395826,
    0.2416581942424582,
    -0.07897858101587535,
    0.0037328924051636602,
    0.006997461763515393,
    -0.0008471431958241443,
    -0.0009819781249306853,
    4.354936590974581e-05,
    0.00017436940458441026,
    2.7666193401911692e-05,
    -2.7312799985548314e-05,
    -1.4599499720946505e-05,
    -1.6213741914355942e-06,
];

/// `erf x`.
pub fn erf(v: &Floats, x: Val) -> Val {
    let magnitude = v.abs(x);
    let square = v.mul(x, x);
    let near = v.polynomial(square, if v.single() { &SINGLE_NEAR } else { &DOUBLE_NEAR });
    let near = v.fma(near, x, x);
    let bounded = v.binary(BinOp::Min, v.c(if v.single() { 4.0 } else { 6.0 }), magnitude);
    let complement = if v.single() {
        exp(v, v.polynomial(bounded, &SINGLE_FAR))
    } else {
        let two = v.c(2.0);
        let t = v.div(v.sub(bounded, two), v.add(bounded, two));
        v.mul(exp(v, v.neg(v.mul(bounded, bounded))), v.polynomial(t, &DOUBLE_FAR))
    };
    let far = v.copy_sign(v.sub(v.c(1.0), complement), x);
    v.select(v.compare(CmpOp::Lt, magnitude, v.c(1.0)), near, far)
}
