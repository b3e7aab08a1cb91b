//! Logistic function `1 / (1 + e^-x)`. Error: below 2 ulp (f32), 4 ulp (f64).

use super::{Floats, exp};
use cnnc_ir::kernel::Val;

/// `1 / (1 + e^-x)`.
pub fn sigmoid(v: &Floats, x: Val) -> Val {
    let one = v.c(1.0);
    v.div(one, v.add(one, exp(v, v.neg(x))))
}
