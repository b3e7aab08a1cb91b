//! Writes floating-point arithmetic on vectors of one type, so that formulas nest: `v.add(v.mul(a, b), c)`.

use cnnc_ir::kernel::{BinOp, CmpOp, KernelBuilder, UnOp, Val};
use cnnc_tensor::{DType, Scalar};
use std::cell::RefCell;

/// A writer of f32 or f64 arithmetic on vectors. Integer vectors are of the signed type of the same size.
#[derive(Debug)]
pub struct Floats<'a> {
    b: RefCell<&'a mut KernelBuilder>,
    /// [`DType::F32`] or [`DType::F64`].
    pub dtype: DType,
    /// Lanes of every vector.
    pub lanes: u16,
}

#[allow(missing_docs)] // one short method an instruction
impl<'a> Floats<'a> {
    /// Arithmetic of the type of `like`, on as many lanes.
    pub fn like(b: &'a mut KernelBuilder, like: Val) -> Floats<'a> {
        let ty = b.ty(like);
        Floats { b: RefCell::new(b), dtype: ty.dtype, lanes: ty.lanes }
    }

    /// Whether this is f32 arithmetic, else f64.
    pub fn single(&self) -> bool {
        self.dtype == DType::F32
    }

    /// The f64 arithmetic on as many lanes, by the same builder.
    pub fn with_double<T>(&self, body: impl FnOnce(&Floats) -> T) -> T {
        let mut b = self.b.borrow_mut();
        body(&Floats { b: RefCell::new(&mut b), dtype: DType::F64, lanes: self.lanes })
    }

    /// The builder itself, for what has no method here.
    pub fn builder<T>(&self, body: impl FnOnce(&mut KernelBuilder) -> T) -> T {
        body(&mut self.b.borrow_mut())
    }

    /// Bits of the stored fraction: 23 or 52.
    pub fn fraction_bits(&self) -> i64 {
        if self.single() { 23 } else { 52 }
    }

    /// What is added to an exponent to store it: 127 or 1023.
    pub fn bias(&self) -> i64 {
        if self.single() { 127 } else { 1023 }
    }

    /// The signed integer type of the same size.
    pub fn int_type(&self) -> DType {
        if self.single() { DType::I32 } else { DType::I64 }
    }

    /// 1.5 * 2^fraction bits: adding it rounds a number of small magnitude to an integer, which then stands in the low
    /// bits of the sum.
    pub fn magic(&self) -> f64 {
        1.5 * (1i64 << self.fraction_bits()) as f64
    }

    pub fn c(&self, value: f64) -> Val {
        self.b.borrow_mut().constant(Scalar::from_f64(self.dtype, value), self.lanes)
    }

    pub fn int(&self, value: i64) -> Val {
        self.b.borrow_mut().constant(Scalar::from_i64(self.int_type(), value), self.lanes)
    }

    pub fn binary(&self, op: BinOp, a: Val, b: Val) -> Val {
        self.b.borrow_mut().binary(op, a, b)
    }

    pub fn unary(&self, op: UnOp, a: Val) -> Val {
        self.b.borrow_mut().unary(op, a)
    }

    pub fn add(&self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Add, a, b)
    }

    pub fn sub(&self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Sub, a, b)
    }

    pub fn mul(&self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Mul, a, b)
    }

    pub fn div(&self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Div, a, b)
    }

    /// `a * b + c`.
    pub fn fma(&self, a: Val, b: Val, c: Val) -> Val {
        self.b.borrow_mut().mul_add(a, b, c)
    }

    pub fn abs(&self, a: Val) -> Val {
        self.unary(UnOp::Abs, a)
    }

    pub fn neg(&self, a: Val) -> Val {
        self.unary(UnOp::Neg, a)
    }

    pub fn compare(&self, op: CmpOp, a: Val, b: Val) -> Val {
        self.b.borrow_mut().compare(op, a, b)
    }

    pub fn lt(&self, a: Val, b: Val) -> Val {
        self.compare(CmpOp::Lt, a, b)
    }

    pub fn eq(&self, a: Val, b: Val) -> Val {
        self.compare(CmpOp::Eq, a, b)
    }

    pub fn select(&self, cond: Val, a: Val, b: Val) -> Val {
        self.b.borrow_mut().select(cond, a, b)
    }

    /// The same bits as integers.
    pub fn bits(&self, a: Val) -> Val {
        self.b.borrow_mut().bitcast(a, self.int_type())
    }

    /// Integers' bits as floats.
    pub fn from_bits(&self, a: Val) -> Val {
        self.b.borrow_mut().bitcast(a, self.dtype)
    }

    pub fn convert(&self, a: Val, dtype: DType) -> Val {
        self.b.borrow_mut().convert(a, dtype)
    }

    /// The polynomial with those coefficients, constant term first (Horner's scheme).
    pub fn polynomial(&self, x: Val, coefficients: &[f64]) -> Val {
        let Some((&last, rest)) = coefficients.split_last() else { return self.c(0.0) };
        rest.iter().rev().fold(self.c(last), |sum, &c| self.fma(sum, x, self.c(c)))
    }

    /// `|magnitude|` with the sign of `sign`. Not to be selected against one of the two: LLVM 19 turns that into a
    /// masked `vpternlog` of wrongly ordered operands.
    pub fn copy_sign(&self, magnitude: Val, sign: Val) -> Val {
        let sign_bit = self.int(if self.single() { i64::from(i32::MIN) } else { i64::MIN });
        let sign = self.binary(BinOp::And, self.bits(sign), sign_bit);
        let magnitude = self.bits(self.abs(magnitude));
        self.from_bits(self.binary(BinOp::Or, magnitude, sign))
    }

    /// `x` rounded to the nearest integer, as a float and as an integer; `|x|` below 2^22 (f32) or 2^51 (f64), else the
    /// integer is meaningless.
    pub fn nearest(&self, x: Val) -> (Val, Val) {
        let magic = self.c(self.magic());
        let shifted = self.add(x, magic);
        let magic_bits = self.bits(magic);
        (self.sub(shifted, magic), self.sub(self.bits(shifted), magic_bits))
    }

    /// An integer vector of small magnitude as floats.
    pub fn float_of(&self, int: Val) -> Val {
        let magic = self.c(self.magic());
        let sum = self.add(int, self.bits(magic));
        self.sub(self.from_bits(sum), magic)
    }

    /// `x * 2^n` for integers `|n|` up to twice the largest exponent: rounded once, overflowing to infinity.
    pub fn scale(&self, x: Val, n: Val) -> Val {
        let half = self.binary(BinOp::Shr, n, self.int(1));
        let rest = self.sub(n, half);
        let power = |n: Val| {
            let biased = self.add(n, self.int(self.bias()));
            self.from_bits(self.binary(BinOp::Shl, biased, self.int(self.fraction_bits())))
        };
        let x = self.mul(x, power(half));
        self.mul(x, power(rest))
    }

    /// `a + b` as a rounded sum and its error, exactly.
    pub fn two_sum(&self, a: Val, b: Val) -> (Val, Val) {
        let sum = self.add(a, b);
        let b_part = self.sub(sum, a);
        let a_part = self.sub(sum, b_part);
        (sum, self.add(self.sub(a, a_part), self.sub(b, b_part)))
    }

    /// An f64 split into two parts of 26 and 27 bits.
    pub fn split(&self, a: Val) -> (Val, Val) {
        let high = self.from_bits(self.binary(BinOp::And, self.bits(a), self.int(-1 << 27)));
        (high, self.sub(a, high))
    }

    /// `a * b` as a rounded product and its error (Dekker), f64; the same bits whether contracted or not.
    pub fn two_product(&self, a: Val, b: Val) -> (Val, Val) {
        let product = self.mul(a, b);
        let ((ah, al), (bh, bl)) = (self.split(a), self.split(b));
        let error = self.sub(self.mul(ah, bh), product);
        let error = self.add(error, self.mul(ah, bl));
        let error = self.add(error, self.mul(al, bh));
        (product, self.add(error, self.mul(al, bl)))
    }
}
