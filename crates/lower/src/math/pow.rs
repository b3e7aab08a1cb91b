//! Power `x^y = e^(y ln |x|)` with C's rules for signs, zeros and infinities. f32 goes through f64 functions (error below 0.6
//! ulp); f64 takes the logarithm and the product in two parts each (error below 2 ulp).

use super::{Floats, exp, log};
use cnnc_ir::kernel::{BinOp, CmpOp, UnOp, Val};
use cnnc_tensor::DType;

/// `x^y`.
pub fn pow(v: &Floats, x: Val, y: Val) -> Val {
    let magnitude = if v.single() {
        let (wide_x, wide_y) = (v.convert(x, DType::F64), v.convert(y, DType::F64));
        let wide = v.with_double(|d| exp(d, d.mul(wide_y, log(d, d.abs(wide_x)))));
        v.convert(wide, DType::F32)
    } else {
        double_power(v, v.abs(x), y)
    };
    let one = v.c(1.0);
    let zero = v.c(0.0);
    // 1^inf and (-1)^inf
    let magnitude = v.select(v.eq(v.abs(x), one), one, magnitude);
    let half = v.mul(y, v.c(0.5));
    let whole = v.eq(v.unary(UnOp::Floor, y), y);
    let even = v.eq(v.unary(UnOp::Floor, half), half);
    let odd = v.binary(BinOp::And, whole, v.builder(|b| b.unary(UnOp::Not, even)));
    let signed = v.copy_sign(magnitude, v.select(odd, x, zero));
    let negative = v.binary(BinOp::And, v.lt(x, zero), v.compare(CmpOp::Gt, x, v.c(f64::NEG_INFINITY)));
    let undefined = v.binary(BinOp::And, negative, v.builder(|b| b.unary(UnOp::Not, whole)));
    let result = v.select(undefined, v.c(f64::NAN), signed);
    let nan = v.compare(CmpOp::Ne, y, y);
    let result = v.select(nan, y, result);
    v.select(v.binary(BinOp::Or, v.eq(y, zero), v.eq(x, one)), one, result)
}

/// `x^y` for `x >= 0`, f64.
fn double_power(v: &Floats, x: Val, y: Val) -> Val {
    let (f, e) = log::split_exponent(v, x);
    // s = f / (2 + f) in two parts
    let (u, u_low) = v.two_sum(v.c(2.0), f);
    let s = v.div(f, u);
    let (product, lost) = v.two_product(s, u);
    let rest = v.sub(v.sub(v.sub(f, product), lost), v.mul(s, u_low));
    let s_low = v.div(rest, u);
    // ln x = e ln 2 + 2s + s^3 R(s^2) in two parts
    let z = v.mul(s, s);
    let series = v.mul(v.mul(v.polynomial(z, &log::DOUBLE), z), s);
    let (high, low) = v.two_sum(v.mul(e, v.c(0.6931471805598903)), v.mul(s, v.c(2.0)));
    let low = v.add(low, v.fma(e, v.c(5.497923018708371e-14), v.fma(s_low, v.c(2.0), series)));
    let (high, low) = v.two_sum(high, low);
    // Beyond this exponent every power is 0, 1 or infinite.
    let y = v.binary(BinOp::Max, v.c(-1e25), v.binary(BinOp::Min, v.c(1e25), y));
    let (power, error) = v.two_product(y, high);
    let error = v.fma(y, low, error);
    let small = v.lt(v.abs(power), v.c(1e3));
    let error = v.select(small, error, v.c(0.0));
    let finite = exp::exp_of_sum(v, power, Some(error));
    let plain = exp(v, v.mul(y, log::specials(v, x, high)));
    let regular = v.binary(BinOp::And, v.compare(CmpOp::Gt, x, v.c(0.0)), v.lt(x, v.c(f64::INFINITY)));
    v.select(regular, finite, plain)
}
