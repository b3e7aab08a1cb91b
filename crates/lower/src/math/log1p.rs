//! `ln(1 + x)`: the logarithm of `u = 1 + x` (rounded), corrected by the rounding error over `u`. Error: below 2 ulp (f32), 3 ulp
//! (f64).

use super::{Floats, log};
use cnnc_ir::kernel::Val;

/// `ln(1 + x)`.
pub fn log1p(v: &Floats, x: Val) -> Val {
    let (u, lost) = v.two_sum(v.c(1.0), x);
    let (f, e) = log::split_exponent(v, u);
    let finite = v.add(log::log_of_parts(v, f, e, None), v.div(lost, u));
    let result = log::specials(v, u, finite);
    v.select(v.eq(x, v.c(f64::INFINITY)), x, result)
}
