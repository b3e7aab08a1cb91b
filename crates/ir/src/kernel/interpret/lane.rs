//! The instructions on one lane: the definition of their semantics.
//!
//! A lane is the element's bits, zero-extended to 64 (as in [`Scalar`](cnnc_tensor::Scalar)); a bool is 0 or 1. Every
//! conversion is rounded once: F16 and BF16 are made of an f32 that is rounded to odd (Boldo and Melquiond, "Emulation
//! of a FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57(4),
//! 2008).

use crate::kernel::{BinOp, CmpOp, UnOp};
use cnnc_tensor::DType;

/// The bits of a type that are significant.
pub fn mask(dtype: DType) -> u64 {
    match dtype {
        DType::Bool => 1,
        _ => u64::MAX >> (64 - 8 * dtype.size()),
    }
}

/// An integer's bits, extended as its type says.
fn extend(dtype: DType, bits: u64) -> i64 {
    match dtype {
        DType::I8 => i64::from(bits as i8),
        DType::I16 => i64::from(bits as i16),
        DType::I32 => i64::from(bits as i32),
        _ => bits as i64,
    }
}

/// `op(a)`. Combinations that the verifier forbids give an unspecified value.
pub fn unary(op: UnOp, dtype: DType, a: u64) -> u64 {
    match dtype {
        DType::F32 => {
            let x = f32::from_bits(a as u32);
            let y = match op {
                UnOp::Neg => -x,
                UnOp::Abs => x.abs(),
                UnOp::Sqrt => x.sqrt(),
                UnOp::Floor => x.floor(),
                UnOp::Ceil => x.ceil(),
                UnOp::Round => x.round_ties_even(),
                UnOp::Trunc => x.trunc(),
                UnOp::Not => x,
            };
            u64::from(y.to_bits())
        }
        DType::F64 => {
            let x = f64::from_bits(a);
            let y = match op {
                UnOp::Neg => -x,
                UnOp::Abs => x.abs(),
                UnOp::Sqrt => x.sqrt(),
                UnOp::Floor => x.floor(),
                UnOp::Ceil => x.ceil(),
                UnOp::Round => x.round_ties_even(),
                UnOp::Trunc => x.trunc(),
                UnOp::Not => x,
            };
            y.to_bits()
        }
        _ => {
            let x = extend(dtype, a);
            let y = match op {
                UnOp::Neg => x.wrapping_neg(),
                UnOp::Abs if dtype.is_signed_int() => x.wrapping_abs(),
                UnOp::Not => !x,
                _ => x,
            };
            y as u64 & mask(dtype)
        }
    }
}

/// `op(a, b)`. Combinations that the verifier forbids give an unspecified value.
pub fn binary(op: BinOp, dtype: DType, a: u64, b: u64) -> u64 {
    match dtype {
        DType::F32 => {
            let (x, y) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
            let z = match op {
                BinOp::Add => x + y,
                BinOp::Sub => x - y,
                BinOp::Mul => x * y,
                BinOp::Div => x / y,
                BinOp::Min if x < y => x,
                BinOp::Max if x > y => x,
                _ => y,
            };
            u64::from(z.to_bits())
        }
        DType::F64 => {
            let (x, y) = (f64::from_bits(a), f64::from_bits(b));
            let z = match op {
                BinOp::Add => x + y,
                BinOp::Sub => x - y,
                BinOp::Mul => x * y,
                BinOp::Div => x / y,
                BinOp::Min if x < y => x,
                BinOp::Max if x > y => x,
                _ => y,
            };
            z.to_bits()
        }
        _ => int_binary(op, dtype, a, b) & mask(dtype),
    }
}

fn int_binary(op: BinOp, dtype: DType, a: u64, b: u64) -> u64 {
    let signed = dtype.is_signed_int();
    let (x, y) = (extend(dtype, a), extend(dtype, b));
    let amount = (b & (8 * dtype.size() as u64 - 1)) as u32;
    match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::Div | BinOp::Rem if b == 0 => 0,
        BinOp::Div if signed => x.wrapping_div(y) as u64,
        BinOp::Div => a / b,
        BinOp::Rem if signed => x.wrapping_rem(y) as u64,
        BinOp::Rem => a % b,
        BinOp::Min if signed => x.min(y) as u64,
        BinOp::Min => a.min(b),
        BinOp::Max if signed => x.max(y) as u64,
        BinOp::Max => a.max(b),
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => a << amount,
        BinOp::Shr if signed => (x >> amount) as u64,
        BinOp::Shr => a >> amount,
    }
}

/// `op(a, b)`; bools order as false < true.
pub fn compare(op: CmpOp, dtype: DType, a: u64, b: u64) -> bool {
    fn test<T: PartialOrd>(op: CmpOp, x: T, y: T) -> bool {
        match op {
            CmpOp::Eq => x == y,
            CmpOp::Ne => x != y,
            CmpOp::Lt => x < y,
            CmpOp::Le => x <= y,
            CmpOp::Gt => x > y,
            CmpOp::Ge => x >= y,
        }
    }
    match dtype {
        DType::F32 => test(op, f32::from_bits(a as u32), f32::from_bits(b as u32)),
        DType::F64 => test(op, f64::from_bits(a), f64::from_bits(b)),
        _ if dtype.is_signed_int() => test(op, extend(dtype, a), extend(dtype, b)),
        _ => test(op, a, b),
    }
}

/// `a * b + c`, rounded twice for floats.
pub fn mul_add(dtype: DType, a: u64, b: u64, c: u64) -> u64 {
    binary(BinOp::Add, dtype, binary(BinOp::Mul, dtype, a, b), c)
}

/// Conversion from one type to another.
pub fn convert(from: DType, to: DType, a: u64) -> u64 {
    match from {
        _ if from == to => a,
        DType::F16 => convert(DType::F32, to, u64::from(f16_to_f32(a as u16).to_bits())),
        DType::BF16 => convert(DType::F32, to, a << 16),
        DType::F32 => from_float(to, f64::from(f32::from_bits(a as u32))),
        DType::F64 => from_float(to, f64::from_bits(a)),
        _ => {
            let signed = extend(from, a);
            match to {
                DType::F32 if from == DType::U64 => u64::from((a as f32).to_bits()),
                DType::F32 => u64::from((signed as f32).to_bits()),
                DType::F64 if from == DType::U64 => (a as f64).to_bits(),
                DType::F64 => (signed as f64).to_bits(),
                DType::F16 | DType::BF16 if from == DType::U64 => from_float(to, int_to_odd(i128::from(a))),
                DType::F16 | DType::BF16 => from_float(to, int_to_odd(i128::from(signed))),
                DType::Bool => u64::from(a != 0),
                _ => signed as u64 & mask(to),
            }
        }
    }
}

/// Conversion of a float, given in f64.
fn from_float(to: DType, x: f64) -> u64 {
    let bits = match to {
        DType::F32 => u64::from((x as f32).to_bits()),
        DType::F64 => x.to_bits(),
        DType::F16 => u64::from(f32_to_f16(float_to_odd(x))),
        DType::BF16 => u64::from(f32_to_bf16(float_to_odd(x))),
        DType::I8 => x as i8 as u64,
        DType::I16 => x as i16 as u64,
        DType::I32 => x as i32 as u64,
        DType::I64 => x as i64 as u64,
        DType::U8 => u64::from(x as u8),
        DType::U16 => u64::from(x as u16),
        DType::U32 => u64::from(x as u32),
        DType::U64 => x as u64,
        DType::Bool => u64::from(x != 0.0),
    };
    bits & mask(to)
}

/// An f64 as f32: where it is not exact, the neighbour that has an odd fraction.
fn float_to_odd(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) == x || x.is_nan() {
        return near;
    }
    let past = u32::from(f64::from(near).abs() > x.abs());
    f32::from_bits((near.to_bits() - past) | 1)
}

/// An integer as f64: where it is not exact, the neighbour that has an odd fraction.
fn int_to_odd(x: i128) -> f64 {
    let near = x as f64;
    if near as i128 == x {
        return near;
    }
    let past = u64::from((near as i128).abs() > x.abs());
    f64::from_bits((near.to_bits() - past) | 1)
}

/// Exact. A NaN becomes a quiet one.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 != 0 { -1.0f32 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0x1f if bits & 0x3ff != 0 => f32::NAN.copysign(sign),
        0x1f => f32::INFINITY * sign,
        0 => sign * fraction * 2f32.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// To nearest, ties to even; a NaN becomes a quiet one.
fn f32_to_f16(x: f32) -> u16 {
    let sign = ((x.to_bits() >> 16) & 0x8000) as u16;
    let size = x.abs();
    if size.is_nan() {
        return sign | 0x7e00;
    }
    if size >= 65520.0 {
        return sign | 0x7c00;
    }
    if size < 2f32.powi(-14) {
        return sign | (size * 2f32.powi(24)).round_ties_even() as u16;
    }
    sign | (round_shift(size.to_bits(), 13) - (112 << 10)) as u16
}

/// To nearest, ties to even; a NaN becomes a quiet one.
fn f32_to_bf16(x: f32) -> u16 {
    if x.is_nan() {
        return (x.to_bits() >> 16) as u16 | 0x7fc0;
    }
    round_shift(x.to_bits(), 16) as u16
}

/// `bits / 2^shift`, to nearest, ties to even. `bits` is no NaN, so the sum does not overflow.
fn round_shift(bits: u32, shift: u32) -> u32 {
    let odd = bits >> shift & 1;
    (bits + odd + ((1 << (shift - 1)) - 1)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_tensor::Scalar;

    #[test]
    fn every_half_reads_as_the_number_it_is_and_comes_back() {
        for dtype in [DType::F16, DType::BF16] {
            for bits in 0..=u64::from(u16::MAX) {
                let exact = Scalar::from_bits(dtype, bits).to_f64();
                let f32_bits = convert(dtype, DType::F32, bits);
                let own = f64::from(f32::from_bits(f32_bits as u32));
                if exact.is_nan() {
                    assert!(own.is_nan());
                } else {
                    assert_eq!(own.to_bits(), exact.to_bits(), "{dtype} {bits:#x}");
                    assert_eq!(convert(DType::F32, dtype, f32_bits), bits, "{dtype} {bits:#x}");
                }
            }
        }
    }

    #[test]
    fn halves_round_to_nearest_even() {
        for dtype in [DType::F16, DType::BF16] {
            let value = |bits: u64| Scalar::from_bits(dtype, bits).to_f64();
            let infinity = Scalar::from_f64(dtype, f64::INFINITY).bits();
            for bits in 0..infinity - 1 {
                let (low, high) = (value(bits), value(bits + 1));
                let middle = ((low + high) / 2.0) as f32;
                let round = |x: f32| convert(DType::F32, dtype, u64::from(x.to_bits()));
                if f64::from(middle) != (low + high) / 2.0 {
                    continue;
                }
                assert_eq!(round(middle), bits + (bits & 1), "{dtype} {bits:#x}");
                assert_eq!(round(middle.next_down()), bits);
                assert_eq!(round(middle.next_up()), bits + 1);
                let wide = |x: f64| convert(DType::F64, dtype, x.to_bits());
                let middle = f64::from(middle);
                assert_eq!((wide(middle.next_down()), wide(middle.next_up())), (bits, bits + 1));
            }
            let past = |f: f64| convert(DType::F64, dtype, f.to_bits());
            assert_eq!(past(3.4e38), if dtype == DType::F16 { infinity } else { past(f64::from(f32::MAX)) });
            assert_eq!(past(f64::INFINITY), infinity);
            assert!(value(past(f64::NAN)).is_nan());
        }
        let tie = (1i64 << 62) + (1 << 54);
        let integer = |x: i64| convert(DType::I64, DType::BF16, x as u64);
        assert_eq!([integer(tie - 1), integer(tie), integer(tie + 1)], [0x5e80, 0x5e80, 0x5e81]);
        assert_eq!([integer(1 - tie), integer(-tie), integer(-tie - 1)], [0xde80, 0xde80, 0xde81]);
        assert_eq!(convert(DType::F32, DType::F16, u64::from(65519.996f32.to_bits())), 0x7bff);
        assert_eq!(convert(DType::F32, DType::F16, u64::from(65520f32.to_bits())), 0x7c00);
    }

    #[test]
    fn integers_wrap_and_their_odd_cases_are_defined() {
        let i8 = |op, a: i8, b: i8| binary(op, DType::I8, u64::from(a as u8), u64::from(b as u8)) as u8 as i8;
        assert_eq!(i8(BinOp::Add, 127, 1), -128);
        assert_eq!(i8(BinOp::Mul, -128, -1), -128);
        assert_eq!((i8(BinOp::Div, -128, -1), i8(BinOp::Rem, -128, -1)), (-128, 0));
        assert_eq!((i8(BinOp::Div, 5, 0), i8(BinOp::Rem, 5, 0)), (0, 0));
        assert_eq!((i8(BinOp::Div, -7, 2), i8(BinOp::Rem, -7, 2)), (-3, -1));
        assert_eq!((i8(BinOp::Shl, 3, 9), i8(BinOp::Shr, -128, -1)), (6, -1));
        assert_eq!((i8(BinOp::Min, -1, 1), i8(BinOp::Max, -1, 1)), (-1, 1));
        assert_eq!(binary(BinOp::Max, DType::U8, 255, 1), 255);
        assert_eq!(binary(BinOp::Rem, DType::I64, i64::MIN as u64, u64::MAX), 0);
        assert_eq!(unary(UnOp::Abs, DType::I16, 0x8000), 0x8000);
        assert_eq!(unary(UnOp::Abs, DType::U16, 0x8000), 0x8000);
        assert_eq!(unary(UnOp::Not, DType::Bool, 1), 0);
    }

    #[test]
    fn minimum_and_maximum_give_the_second_where_one_is_nan() {
        let (nan, one) = (u64::from(f32::NAN.to_bits()), u64::from(1f32.to_bits()));
        for op in [BinOp::Min, BinOp::Max] {
            assert_eq!(binary(op, DType::F32, nan, one), one);
            assert_eq!(binary(op, DType::F32, one, nan), nan);
            assert_eq!(binary(op, DType::F32, 0, 0x8000_0000), 0x8000_0000);
        }
    }

    #[test]
    fn floats_become_integers_by_truncation_and_saturation() {
        let from = |x: f64, to| convert(DType::F64, to, x.to_bits());
        assert_eq!(from(-1.9, DType::I8), 0xff);
        assert_eq!(from(1e30, DType::I16), 0x7fff);
        assert_eq!(from(-5.0, DType::U32), 0);
        assert_eq!(from(1e30, DType::U64), u64::MAX);
        assert_eq!(from(f64::NAN, DType::I64), 0);
        assert_eq!(from(f64::NAN, DType::Bool), 1);
        assert_eq!(convert(DType::I8, DType::U32, 0xff), 0xffff_ffff);
        assert_eq!(convert(DType::U8, DType::I32, 0xff), 0xff);
    }
}
