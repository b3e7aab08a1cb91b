//! Hyperbolic tangent: `x + x^3 P(x^2)` below 0.625, `1 - 2 / (e^2|x| + 1)` with the sign of `x` beyond. Error: below 1.5 ulp (f32),
//! 3 ulp (f64).

use super::{Floats, exp};
use cnnc_ir::kernel::{CmpOp, Val};

/// `(tanh(x) - x) / x^3` in `x^2`.
const SINGLE: [f64; 5] = [-3.333328e-01, 1.3331436e-01, -5.3739116e-02, 2.0637037e-02, -5.702599e-03];
const DOUBLE: [f64; 13] = [
    -0.3333333333333333,
    0.13333333333333156,
    -0.05396825396812702,
    0.021869488531605905,
    -0.008863235433537078,
    0.003592126721373885,
    -0.001455822218598586,
    0.0005899488279213116,
    -0.0002387693516562795,
    9.574740639510911e-05,
    -3.661963341427312e-05,
    1.1789099850629684e-05,
    -2.269514646058728e-06,
];

/// `tanh x`.
pub fn tanh(v: &Floats, x: Val) -> Val {
    let magnitude = v.abs(x);
    let square = v.mul(x, x);
    let series = v.polynomial(square, if v.single() { &SINGLE } else { &DOUBLE });
    let near = v.fma(v.mul(series, square), x, x);
    let grown = v.add(exp(v, v.add(magnitude, magnitude)), v.c(1.0));
    let far = v.copy_sign(v.sub(v.c(1.0), v.div(v.c(2.0), grown)), x);
    v.select(v.compare(CmpOp::Lt, magnitude, v.c(0.625)), near, far)
}
