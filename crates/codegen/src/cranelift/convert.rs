//! Conversions between element types.
//!
//! F16 and BF16 are made of f32 by integer arithmetic, to nearest even; f64 and 64-bit integers reach them through an
//! f32 that is rounded to odd, so that the second rounding sees on which side of a tie the value lay (Boldo and
//! Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions
//! on Computers 57(4), 2008). No step makes a denormal f32 that counts.

use super::function::Emitter;
use super::parts::{Parts, scalar_type, shape, vector_type, width};
use cnnc_ir::kernel::Ty;
use cnnc_tensor::DType;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};

impl Emitter<'_> {
    /// `from` is the operand's type, `to` the element type of the result.
    pub(super) fn convert(&mut self, from: Ty, to: DType, a: &[Value]) -> Parts {
        if from.dtype == to {
            return a.to_vec();
        }
        let (vectors, _) = shape(from);
        if from.lanes == 1 || (width(from.dtype) == 4 && width(to) == 4) {
            let parts = a.iter().enumerate();
            return parts
                .map(
                    |(part, &a)| {
                        if part < vectors {
                            self.vector_to(from.dtype, to, a)
                        } else {
                            self.scalar_to(from.dtype, to, a)
                        }
                    },
                )
                .collect();
        }
        let lanes = self.lanes(from, a);
        let lanes: Vec<Value> = lanes.into_iter().map(|a| self.scalar_to(from.dtype, to, a)).collect();
        self.pack(Ty { dtype: to, ..from }, &lanes)
    }

    /// Among F32, I32, U32 and Bool.
    fn vector_to(&mut self, from: DType, to: DType, a: Value) -> Value {
        let ty = vector_type(to);
        match (from, to) {
            (DType::F32, DType::I32) => self.b.ins().fcvt_to_sint_sat(ty, a),
            (DType::F32, DType::U32) => self.b.ins().fcvt_to_uint_sat(ty, a),
            (DType::I32, DType::F32) => self.b.ins().fcvt_from_sint(ty, a),
            (DType::U32, DType::F32) => self.b.ins().fcvt_from_uint(ty, a),
            (DType::F32, DType::Bool) => {
                let zero = self.number(from, 0.0);
                let zero = self.b.ins().splat(types::F32X4, zero);
                self.b.ins().fcmp(FloatCC::NotEqual, a, zero)
            }
            (_, DType::Bool) => {
                let zero = self.int(types::I32, 0);
                let zero = self.b.ins().splat(types::I32X4, zero);
                self.b.ins().icmp(IntCC::NotEqual, a, zero)
            }
            (DType::Bool, _) => {
                let one = self.number(to, 1.0);
                let one = self.b.ins().splat(ty, one);
                let one = self.cast(types::I32X4, one);
                let bits = self.b.ins().band(a, one);
                self.cast(ty, bits)
            }
            _ => a,
        }
    }

    fn scalar_to(&mut self, from: DType, to: DType, a: Value) -> Value {
        match from {
            _ if from == to => a,
            DType::F16 => {
                let float = self.f16_to_f32(a);
                self.scalar_to(DType::F32, to, float)
            }
            DType::BF16 => {
                let word = self.b.ins().uextend(types::I32, a);
                let bits = self.shift_left(word, 16);
                let float = self.cast(types::F32, bits);
                self.scalar_to(DType::F32, to, float)
            }
            DType::F32 | DType::F64 => self.float_to(from, to, a),
            _ => self.int_to(from, to, a),
        }
    }

    fn float_to(&mut self, from: DType, to: DType, a: Value) -> Value {
        match to {
            DType::F32 => self.b.ins().fdemote(types::F32, a),
            DType::F64 => self.b.ins().fpromote(types::F64, a),
            DType::F16 | DType::BF16 => {
                let float = if from == DType::F64 { self.round_to_odd(a) } else { a };
                if to == DType::F16 { self.f32_to_f16(float) } else { self.f32_to_bf16(float) }
            }
            DType::Bool => {
                let zero = self.number(from, 0.0);
                self.b.ins().fcmp(FloatCC::NotEqual, a, zero)
            }
            DType::I32 | DType::I64 => self.b.ins().fcvt_to_sint_sat(scalar_type(to), a),
            DType::U32 | DType::U64 => self.b.ins().fcvt_to_uint_sat(scalar_type(to), a),
            _ => {
                let wide = self.b.ins().fcvt_to_sint_sat(types::I32, a);
                let bits = 8 * to.size() as u32;
                let (low, high) =
                    if to.is_signed_int() { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
                let (low, high) = (self.int(types::I32, low), self.int(types::I32, high));
                let under = self.b.ins().icmp(IntCC::SignedLessThan, wide, low);
                let wide = self.b.ins().select(under, low, wide);
                let over = self.b.ins().icmp(IntCC::SignedGreaterThan, wide, high);
                let wide = self.b.ins().select(over, high, wide);
                self.b.ins().ireduce(scalar_type(to), wide)
            }
        }
    }

    /// From an integer or a bool.
    fn int_to(&mut self, from: DType, to: DType, a: Value) -> Value {
        let ty = scalar_type(to);
        match to {
            DType::Bool => {
                let zero = self.int(scalar_type(from), 0);
                self.b.ins().icmp(IntCC::NotEqual, a, zero)
            }
            DType::F32 | DType::F64 if from == DType::U64 => self.b.ins().fcvt_from_uint(ty, a),
            DType::F32 | DType::F64 => {
                let wide = if from == DType::U32 { types::I64 } else { types::I32 };
                let wide = self.extend(from, a, wide);
                self.b.ins().fcvt_from_sint(ty, wide)
            }
            // What f32 does not hold exactly is infinite in f16.
            DType::F16 => {
                let float = self.int_to(from, DType::F32, a);
                self.f32_to_f16(float)
            }
            DType::BF16 => {
                let double =
                    if from.size() == 8 { self.wide_to_odd(from, a) } else { self.int_to(from, DType::F64, a) };
                self.float_to(DType::F64, to, double)
            }
            _ if to.size() > from.size() => self.extend(from, a, ty),
            _ if to.size() < from.size() => self.b.ins().ireduce(ty, a),
            _ => a,
        }
    }

    fn extend(&mut self, from: DType, a: Value, to: types::Type) -> Value {
        if scalar_type(from).bits() >= to.bits() {
            a
        } else if from.is_signed_int() {
            self.b.ins().sextend(to, a)
        } else {
            self.b.ins().uextend(to, a)
        }
    }

    fn shift_left(&mut self, a: Value, by: i64) -> Value {
        let by = self.int(types::I32, by);
        self.b.ins().ishl(a, by)
    }

    fn shift_right(&mut self, a: Value, by: i64) -> Value {
        let by = self.int(types::I32, by);
        self.b.ins().ushr(a, by)
    }

    fn and(&mut self, a: Value, mask: i64) -> Value {
        let mask = self.int(self.b.func.dfg.value_type(a), mask);
        self.b.ins().band(a, mask)
    }

    fn add(&mut self, a: Value, number: i64) -> Value {
        let number = self.int(self.b.func.dfg.value_type(a), number);
        self.b.ins().iadd(a, number)
    }

    fn or(&mut self, a: Value, bits: i64) -> Value {
        let bits = self.int(self.b.func.dfg.value_type(a), bits);
        self.b.ins().bor(a, bits)
    }

    /// Normal numbers by a change of bias, denormal ones as fraction times 2^-24.
    fn f16_to_f32(&mut self, a: Value) -> Value {
        let word = self.b.ins().uextend(types::I32, a);
        let sign = self.and(word, 0x8000);
        let sign = self.shift_left(sign, 16);
        let size = self.and(word, 0x7fff);
        let bits = self.shift_left(size, 13);
        let normal = self.add(bits, 112 << 23);
        let special = self.or(bits, 0x7f80_0000);
        let fraction = self.b.ins().fcvt_from_sint(types::F32, size);
        let unit = self.number(DType::F32, 2f64.powi(-24));
        let denormal = self.b.ins().fmul(fraction, unit);
        let denormal = self.cast(types::I32, denormal);
        let (least, most) = (self.int(types::I32, 0x400), self.int(types::I32, 0x7c00));
        let small = self.b.ins().icmp(IntCC::UnsignedLessThan, size, least);
        let large = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, size, most);
        let result = self.b.ins().select(large, special, normal);
        let result = self.b.ins().select(small, denormal, result);
        let result = self.b.ins().bor(result, sign);
        self.cast(types::F32, result)
    }

    fn f32_to_f16(&mut self, a: Value) -> Value {
        let bits = self.cast(types::I32, a);
        let sign = self.shift_right(bits, 16);
        let sign = self.and(sign, 0x8000);
        let size = self.and(bits, 0x7fff_ffff);
        let rounded = self.round_off(size, 13);
        let normal = self.add(rounded, -(112 << 10));
        let float = self.cast(types::F32, size);
        let unit = self.number(DType::F32, 2f64.powi(24));
        let fraction = self.b.ins().fmul(float, unit);
        let fraction = self.b.ins().nearest(fraction);
        let fraction = self.b.ins().fcvt_to_sint_sat(types::I32, fraction);
        let result = self.below(size, 2f32.powi(-14).to_bits(), fraction, normal);
        let infinity = self.int(types::I32, 0x7c00);
        let result = self.below(size, 65520f32.to_bits(), result, infinity);
        let nan = self.int(types::I32, 0x7e00);
        let result = self.below(size, f32::INFINITY.to_bits() + 1, result, nan);
        let result = self.b.ins().bor(result, sign);
        self.b.ins().ireduce(types::I16, result)
    }

    fn f32_to_bf16(&mut self, a: Value) -> Value {
        let bits = self.cast(types::I32, a);
        let size = self.and(bits, 0x7fff_ffff);
        let rounded = self.round_off(bits, 16);
        let nan = self.shift_right(bits, 16);
        let nan = self.or(nan, 0x7fc0);
        let result = self.below(size, f32::INFINITY.to_bits() + 1, rounded, nan);
        self.b.ins().ireduce(types::I16, result)
    }

    /// `a < limit ? then : otherwise`, unsigned.
    fn below(&mut self, a: Value, limit: u32, then: Value, otherwise: Value) -> Value {
        let limit = self.int(types::I32, limit.into());
        let below = self.b.ins().icmp(IntCC::UnsignedLessThan, a, limit);
        self.b.ins().select(below, then, otherwise)
    }

    /// `bits / 2^shift` to nearest, ties to even.
    fn round_off(&mut self, bits: Value, shift: i64) -> Value {
        let odd = self.shift_right(bits, shift);
        let odd = self.and(odd, 1);
        let sum = self.b.ins().iadd(bits, odd);
        let sum = self.add(sum, (1 << (shift - 1)) - 1);
        self.shift_right(sum, shift)
    }

    /// An f64 as f32: where it is not exact, the one of the two neighbours that has an odd fraction.
    fn round_to_odd(&mut self, a: Value) -> Value {
        let narrow = self.b.ins().fdemote(types::F32, a);
        let back = self.b.ins().fpromote(types::F64, narrow);
        let inexact = self.b.ins().fcmp(FloatCC::NotEqual, back, a);
        let (size, size_back) = (self.b.ins().fabs(a), self.b.ins().fabs(back));
        let larger = self.b.ins().fcmp(FloatCC::GreaterThan, size_back, size);
        let larger = self.b.ins().uextend(types::I32, larger);
        let bits = self.cast(types::I32, narrow);
        let odd = self.b.ins().isub(bits, larger);
        let odd = self.or(odd, 1);
        let bits = self.b.ins().select(inexact, odd, bits);
        self.cast(types::F32, bits)
    }

    /// A 64-bit integer as f64, rounded to odd: beyond 52 bits, the last 11 become one sticky bit.
    fn wide_to_odd(&mut self, from: DType, a: Value) -> Value {
        let low = self.and(a, 0x7ff);
        let zero = self.int(types::I64, 0);
        let sticky = self.b.ins().icmp(IntCC::NotEqual, low, zero);
        let sticky = self.b.ins().uextend(types::I64, sticky);
        let eleven = self.int(types::I64, 11);
        let signed = from == DType::I64;
        let high = if signed { self.b.ins().sshr(a, eleven) } else { self.b.ins().ushr(a, eleven) };
        let high = self.b.ins().bor(high, sticky);
        let high = self.b.ins().fcvt_from_sint(types::F64, high);
        let unit = self.number(DType::F64, 2048.0);
        let high = self.b.ins().fmul(high, unit);
        let exact = self.b.ins().fcvt_from_sint(types::F64, a);
        let limit = self.int(types::I64, 1 << 52);
        let (offset, span) = if signed { (self.b.ins().iadd(a, limit), 1 << 53) } else { (a, 1 << 52) };
        let span = self.int(types::I64, span);
        let small = self.b.ins().icmp(IntCC::UnsignedLessThan, offset, span);
        self.b.ins().select(small, exact, high)
    }
}
