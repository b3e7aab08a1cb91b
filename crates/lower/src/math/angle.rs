//! Reduction of an angle modulo pi/2, in f64 whatever the operand.
//!
//! Below 2^20 quarter turns pi/2 is subtracted in parts (Cody and Waite). Beyond, where any lane needs it, `x * 2/pi` is
//! summed from products with 26-bit pieces of 2/pi, each exact and taken modulo 4 (Payne and Hanek). The reduced angle is
//! exact to 2^-50 of itself in the first range; in the second to 2^-52 of a turn, which leaves f32 results at full accuracy
//! and f64 results with an absolute error of 1e-15.

use super::Floats;
use cnnc_ir::kernel::{BinOp, CmpOp, Ty, UnOp, Val};
use cnnc_tensor::DType;

/// Pieces of 2/pi: the k-th counts 2^(-26 (k + 1)).
const TWO_OVER_PI: [u32; 46] = [
    42722829, 48555073, 21659401, 56087029, 13858563, 28715353, 38736100, 4324945, 26128250, 62674459, 29957006,
    37899730, 58726692, 49193117, 6588223, 35515164, 46442140, 65964067, 24988590, 54822121, 41009306, 54917092,
    5137525, 37323603, 15192690, 4585659, 58608142, 52426903, 67074070, 25231090, 63202006, 34237727, 28629499,
    15891632, 40752081, 37709470, 25143477, 55737260, 33225084, 24853767, 15195689, 19476134, 50255852, 18845021,
    2185228, 50622407,
];

/// The largest angle that is reduced in parts.
const LIMIT: f64 = 1.6e6;

/// `(r, q)` with `x = q pi/2 + r` up to whole turns, `|r| <= pi/4`: `r` in f64, `q` in i64 (its two lowest bits count). `x` is f64;
/// `bits` says how many significant bits it has at most (24 or 53).
pub(super) fn reduce(v: &Floats, x: Val, bits: u32) -> (Val, Val) {
    let (near, near_turns) = in_parts(v, x);
    let (angle, turns) = v.builder(|b| {
        let (f, i) = (Ty::vector(DType::F64, v.lanes), Ty::vector(DType::I64, v.lanes));
        let (angle, turns) = (b.var(f), b.var(i));
        b.set(angle, near);
        b.set(turns, near_turns);
        (angle, turns)
    });
    let magnitude = v.abs(x);
    let large = v.compare(CmpOp::Gt, magnitude, v.c(LIMIT));
    let measured = v.select(large, v.c(1.0), v.c(0.0));
    v.builder(|b| {
        let most = b.fold(BinOp::Max, measured);
        let zero = b.constant(cnnc_tensor::Scalar::from_f64(DType::F64, 0.0), 1);
        let any = b.compare(CmpOp::Gt, most, zero);
        b.if_(any, |b| {
            let v = Floats::like(b, x);
            let (far, far_turns) = in_pieces(&v, x, bits);
            let far = v.select(large, far, near);
            let far_turns = v.select(large, far_turns, near_turns);
            b.set(angle, far);
            b.set(turns, far_turns);
        });
        (b.get(angle), b.get(turns))
    })
}

fn in_parts(v: &Floats, x: Val) -> (Val, Val) {
    let (n, turns) = v.nearest(v.mul(x, v.c(std::f64::consts::FRAC_2_PI)));
    let r = v.sub(x, v.mul(n, v.c(1.5707963267341256)));
    let (r, low) = v.two_sum(r, v.mul(n, v.c(-6.077100506303966e-11)));
    (v.add(r, v.fma(n, v.c(-2.0222662487959506e-21), low)), turns)
}

fn in_pieces(v: &Floats, x: Val, bits: u32) -> (Val, Val) {
    let single = bits <= 26;
    // Scaled so that no piece of 2/pi is denormal; pieces that f32 operands cannot reach are left out.
    let scale = if single { 0 } else { 120 };
    let pieces = if single { 8 } else { TWO_OVER_PI.len() };
    let x = v.mul(x, v.c(2f64.powi(-scale)));
    let parts = if single { vec![x] } else { <[Val; 2]>::from(v.split(x)).to_vec() };
    let mut sum = v.c(0.0);
    let mut turns = v.c(0.0);
    for (k, &piece) in TWO_OVER_PI[..pieces].iter().enumerate() {
        let weight = f64::from(piece) * 2f64.powi(scale - 26 * (k as i32 + 1));
        for &part in &parts {
            let product = v.mul(part, v.c(weight));
            let whole = v.unary(UnOp::Round, v.mul(product, v.c(0.25)));
            let rest = v.sub(product, v.mul(whole, v.c(4.0)));
            sum = v.add(sum, rest);
            let n = v.unary(UnOp::Round, sum);
            sum = v.sub(sum, n);
            turns = v.add(turns, n);
        }
    }
    let (_, quarter_turns) = v.nearest(turns);
    (v.mul(sum, v.c(std::f64::consts::FRAC_PI_2)), quarter_turns)
}
