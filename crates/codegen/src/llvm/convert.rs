//! Conversions between element types.
//!
//! F16 and BF16 go through f32, in integer arithmetic where the instruction set has no conversion. What f32 does not
//! hold exactly is rounded to odd there, so that the second rounding sees on which side the value lay (Boldo and
//! Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions
//! on Computers 57(4), 2008). No step makes a denormal f32 that counts, so flushing them is harmless.

use super::function::Emitter;
use super::text;
use cnnc_ir::kernel::Ty;
use cnnc_tensor::{DType, Isa};

impl Emitter<'_> {
    /// Converts `a`, of element type `from`, to `to`.
    pub(super) fn convert(&mut self, from: DType, to: Ty, a: &str) -> String {
        let lanes = to.lanes;
        let (source, target) = (text::vector(text::element(from), lanes), text::ty(to));
        match (from, to.dtype) {
            (x, y) if x == y => a.into(),
            (DType::F32 | DType::F64, DType::Bool) => {
                let zero = text::splat(text::element(from), lanes, "0.0");
                self.value(format_args!("fcmp une {source} {a}, {zero}"))
            }
            (DType::F16 | DType::BF16, DType::Bool) => {
                let magnitude = self.with_constant("and", "i16", lanes, a, 0x7fff);
                let zero = text::splat("i16", lanes, "0");
                self.value(format_args!("icmp ne {source} {magnitude}, {zero}"))
            }
            (_, DType::Bool) => {
                let zero = text::splat(text::element(from), lanes, "0");
                self.value(format_args!("icmp ne {source} {a}, {zero}"))
            }
            (DType::Bool, DType::F16 | DType::BF16) => {
                let one = if to.dtype == DType::F16 { "15360" } else { "16256" };
                let (one, zero) = (text::splat("i16", lanes, one), text::splat("i16", lanes, "0"));
                self.value(format_args!("select {source} {a}, {target} {one}, {target} {zero}"))
            }
            (DType::Bool, y) if y.is_int() => self.value(format_args!("zext {source} {a} to {target}")),
            (DType::F16, DType::F32) => self.half_to_float(lanes, a),
            (DType::BF16, DType::F32) => {
                let wide = self.value(format_args!("zext {source} {a} to {}", text::vector("i32", lanes)));
                let bits = self.with_constant("shl", "i32", lanes, &wide, 16);
                self.value(format_args!("bitcast {} {bits} to {target}", text::vector("i32", lanes)))
            }
            (DType::F16 | DType::BF16, _) => {
                let float = self.convert(from, Ty::vector(DType::F32, lanes), a);
                self.convert(DType::F32, to, &float)
            }
            (DType::F32, DType::F16) => self.float_to_half(lanes, a),
            (DType::F32, DType::BF16) => self.float_to_bfloat(lanes, a),
            (DType::F64, DType::F16 | DType::BF16) => {
                let float = self.round_to_odd(lanes, a);
                self.convert(DType::F32, to, &float)
            }
            (x, DType::BF16) if x.size() > 2 => {
                let a = if x.size() == 8 { self.shorten(x, lanes, a) } else { a.into() };
                let double = self.convert(x, Ty::vector(DType::F64, lanes), &a);
                self.convert(DType::F64, to, &double)
            }
            // Short integers are exact in f32; one that f32 does not hold is infinite in f16.
            (_, DType::F16 | DType::BF16) => {
                let float = self.convert(from, Ty::vector(DType::F32, lanes), a);
                self.convert(DType::F32, to, &float)
            }
            (DType::F32, DType::F64) => self.value(format_args!("fpext {source} {a} to {target}")),
            (DType::F64, DType::F32) => self.value(format_args!("fptrunc {source} {a} to {target}")),
            (DType::F32 | DType::F64, y) => {
                let kind = if y.is_signed_int() { "fptosi" } else { "fptoui" };
                let (result, operand) =
                    (text::suffix(text::element(y), lanes), text::suffix(text::element(from), lanes));
                self.call(&format!("llvm.{kind}.sat.{result}.{operand}"), &target, &[(&source, a)])
            }
            (x, DType::F32 | DType::F64) => {
                let opcode = if x.is_signed_int() { "sitofp" } else { "uitofp" };
                self.value(format_args!("{opcode} {source} {a} to {target}"))
            }
            (x, y) if x.size() == y.size() => a.into(),
            (x, y) => {
                let opcode = match x.size() > y.size() {
                    true => "trunc",
                    false if x.is_signed_int() => "sext",
                    false => "zext",
                };
                self.value(format_args!("{opcode} {source} {a} to {target}"))
            }
        }
    }

    fn half_to_float(&mut self, lanes: u16, a: &str) -> String {
        let (i16s, i32s) = (text::vector("i16", lanes), text::vector("i32", lanes));
        let (halves, floats) = (text::vector("half", lanes), text::vector("float", lanes));
        if self.isa >= Isa::X86V3 {
            let half = self.value(format_args!("bitcast {i16s} {a} to {halves}"));
            return self.value(format_args!("fpext {halves} {half} to {floats}"));
        }
        let mask = text::vector("i1", lanes);
        let bits = self.value(format_args!("zext {i16s} {a} to {i32s}"));
        let sign = self.with_constant("and", "i32", lanes, &bits, 0x8000);
        let sign = self.with_constant("shl", "i32", lanes, &sign, 16);
        let magnitude = self.with_constant("and", "i32", lanes, &bits, 0x7fff);
        let shifted = self.with_constant("shl", "i32", lanes, &magnitude, 13);
        let normal = self.with_constant("add", "i32", lanes, &shifted, 112 << 23);
        let infinite = self.with_constant("add", "i32", lanes, &normal, 112 << 23);
        // m * 2^-24 = 2^-14 (1 + m / 1024) - 2^-14
        let above = self.with_constant("add", "i32", lanes, &shifted, 113 << 23);
        let above = self.value(format_args!("bitcast {i32s} {above} to {floats}"));
        let least = text::splat("float", lanes, &text::float(1.0 / 16384.0));
        let denormal = self.value(format_args!("fsub {floats} {above}, {least}"));
        let denormal = self.value(format_args!("bitcast {floats} {denormal} to {i32s}"));
        let is_infinite = self.with_constant("icmp uge", "i32", lanes, &magnitude, 0x7c00);
        let is_denormal = self.with_constant("icmp ult", "i32", lanes, &magnitude, 0x400);
        let result = self.value(format_args!("select {mask} {is_infinite}, {i32s} {infinite}, {i32s} {normal}"));
        let result = self.value(format_args!("select {mask} {is_denormal}, {i32s} {denormal}, {i32s} {result}"));
        let result = self.value(format_args!("or {i32s} {result}, {sign}"));
        self.value(format_args!("bitcast {i32s} {result} to {floats}"))
    }

    fn float_to_half(&mut self, lanes: u16, a: &str) -> String {
        let (i16s, i32s) = (text::vector("i16", lanes), text::vector("i32", lanes));
        let (halves, floats) = (text::vector("half", lanes), text::vector("float", lanes));
        if self.isa >= Isa::X86V3 {
            let half = self.value(format_args!("fptrunc {floats} {a} to {halves}"));
            return self.value(format_args!("bitcast {halves} {half} to {i16s}"));
        }
        let mask = text::vector("i1", lanes);
        let bits = self.value(format_args!("bitcast {floats} {a} to {i32s}"));
        let sign = self.with_constant("lshr", "i32", lanes, &bits, 16);
        let sign = self.with_constant("and", "i32", lanes, &sign, 0x8000);
        let magnitude = self.with_constant("and", "i32", lanes, &bits, 0x7fff_ffff);
        let rounded = self.round_off(lanes, &magnitude, 13);
        let normal = self.with_constant("sub", "i32", lanes, &rounded, 112 << 10);
        // Adding 1/2 leaves multiples of 2^-24 in the low bits, rounded to even.
        let float = self.value(format_args!("bitcast {i32s} {magnitude} to {floats}"));
        let half = text::splat("float", lanes, "0.5");
        let shifted = self.value(format_args!("fadd {floats} {float}, {half}"));
        let shifted = self.value(format_args!("bitcast {floats} {shifted} to {i32s}"));
        let denormal = self.with_constant("sub", "i32", lanes, &shifted, 126 << 23);
        let is_denormal = self.with_constant("icmp ult", "i32", lanes, &magnitude, 113 << 23);
        let is_infinite = self.with_constant("icmp uge", "i32", lanes, &magnitude, 143 << 23);
        let is_nan = self.with_constant("icmp ugt", "i32", lanes, &magnitude, 0x7f80_0000);
        let (infinity, nan) = (text::splat("i32", lanes, "31744"), text::splat("i32", lanes, "32256"));
        let result = self.value(format_args!("select {mask} {is_denormal}, {i32s} {denormal}, {i32s} {normal}"));
        let result = self.value(format_args!("select {mask} {is_infinite}, {i32s} {infinity}, {i32s} {result}"));
        let result = self.value(format_args!("select {mask} {is_nan}, {i32s} {nan}, {i32s} {result}"));
        let result = self.value(format_args!("or {i32s} {result}, {sign}"));
        self.value(format_args!("trunc {i32s} {result} to {i16s}"))
    }

    fn float_to_bfloat(&mut self, lanes: u16, a: &str) -> String {
        let (i32s, floats, mask) =
            (text::vector("i32", lanes), text::vector("float", lanes), text::vector("i1", lanes));
        let bits = self.value(format_args!("bitcast {floats} {a} to {i32s}"));
        let rounded = self.round_off(lanes, &bits, 16);
        let quiet = self.with_constant("lshr", "i32", lanes, &bits, 16);
        let quiet = self.with_constant("or", "i32", lanes, &quiet, 0x40);
        let is_nan = self.value(format_args!("fcmp uno {floats} {a}, {a}"));
        let result = self.value(format_args!("select {mask} {is_nan}, {i32s} {quiet}, {i32s} {rounded}"));
        self.value(format_args!("trunc {i32s} {result} to {}", text::vector("i16", lanes)))
    }

    /// `bits >> by`, rounded to nearest even.
    fn round_off(&mut self, lanes: u16, bits: &str, by: i64) -> String {
        let i32s = text::vector("i32", lanes);
        let odd = self.with_constant("lshr", "i32", lanes, bits, by);
        let odd = self.with_constant("and", "i32", lanes, &odd, 1);
        let sum = self.with_constant("add", "i32", lanes, bits, (1 << (by - 1)) - 1);
        let sum = self.value(format_args!("add {i32s} {sum}, {odd}"));
        self.with_constant("lshr", "i32", lanes, &sum, by)
    }

    /// f64 to f32, rounded to odd: of the two neighbours of an inexact value the one with an odd last bit.
    fn round_to_odd(&mut self, lanes: u16, a: &str) -> String {
        let (floats, doubles) = (text::vector("float", lanes), text::vector("double", lanes));
        let (i32s, mask) = (text::vector("i32", lanes), text::vector("i1", lanes));
        let nearest = self.value(format_args!("fptrunc {doubles} {a} to {floats}"));
        let back = self.value(format_args!("fpext {floats} {nearest} to {doubles}"));
        let absolute = format!("llvm.fabs.{}", text::suffix("double", lanes));
        let from = self.call(&absolute, &doubles, &[(&doubles, a)]);
        let to = self.call(&absolute, &doubles, &[(&doubles, &back)]);
        let above = self.value(format_args!("fcmp ogt {doubles} {to}, {from}"));
        let inexact = self.value(format_args!("fcmp one {doubles} {to}, {from}"));
        let bits = self.value(format_args!("bitcast {floats} {nearest} to {i32s}"));
        let step = self.value(format_args!("zext {mask} {above} to {i32s}"));
        let below = self.value(format_args!("sub {i32s} {bits}, {step}"));
        let odd = self.value(format_args!("zext {mask} {inexact} to {i32s}"));
        let odd = self.value(format_args!("or {i32s} {below}, {odd}"));
        self.value(format_args!("bitcast {i32s} {odd} to {floats}"))
    }

    /// A 64-bit integer as one of 53 bits, which f64 holds: of what is longer, the lowest bits become one that is set if
    /// any of them was.
    fn shorten(&mut self, from: DType, lanes: u16, a: &str) -> String {
        let (i64s, mask) = (text::vector("i64", lanes), text::vector("i1", lanes));
        let (shift, bound) = if from == DType::I64 { (1 << 53, 1 << 54) } else { (0, 1 << 53) };
        let shifted = self.with_constant("add", "i64", lanes, a, shift);
        let short = self.with_constant("icmp ult", "i64", lanes, &shifted, bound);
        let high = self.with_constant("and", "i64", lanes, a, !0x7ff);
        let low = self.with_constant("and", "i64", lanes, a, 0x7ff);
        let inexact = self.with_constant("icmp ne", "i64", lanes, &low, 0);
        let odd = self.value(format_args!("zext {mask} {inexact} to {i64s}"));
        let odd = self.with_constant("shl", "i64", lanes, &odd, 11);
        let long = self.value(format_args!("or {i64s} {high}, {odd}"));
        self.value(format_args!("select {mask} {short}, {i64s} {a}, {i64s} {long}"))
    }

    fn with_constant(&mut self, opcode: &str, element: &str, lanes: u16, a: &str, constant: i64) -> String {
        let (ty, constant) = (text::vector(element, lanes), text::splat(element, lanes, &constant.to_string()));
        self.value(format_args!("{opcode} {ty} {a}, {constant}"))
    }
}
