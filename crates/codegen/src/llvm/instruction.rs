//! Instructions but for conversions and memory.
//!
//! No fast-math flag is set anywhere. `MulAdd` is one fused operation where the instruction set has it, else two; a
//! fused one without hardware would be a library call.

use super::function::{Emitter, Result};
use super::text;
use cnnc_ir::kernel::{BinOp, CmpOp, Inst, Ty, UnOp, Val};
use cnnc_tensor::{DType, Isa};

impl Emitter<'_> {
    /// Emits an instruction; returns what its result is called.
    pub(super) fn instruction(&mut self, ty: Ty, inst: &Inst) -> Result<String> {
        let t = text::ty(ty);
        Ok(match inst {
            Inst::Const(scalar) => text::splat(text::element(ty.dtype), ty.lanes, &text::scalar(*scalar)),
            Inst::Get(var) => self.value(format_args!("load {t}, ptr %x{}", var.0)),
            Inst::Load { buffer, index, count } => self.load(ty, *buffer, *index, *count),
            Inst::Splat(a) => {
                let a = self.operand(*a);
                self.splat(ty, &a)
            }
            Inst::Lanes(begin) => {
                let begin = self.operand(*begin);
                let begin = self.splat(ty, &begin);
                if ty.lanes == 1 {
                    return Ok(begin);
                }
                let steps = text::numbers(text::element(ty.dtype), 0..i64::from(ty.lanes));
                self.value(format_args!("add {t} {begin}, {steps}"))
            }
            Inst::Unary(op, a) => {
                let a = self.operand(*a);
                self.unary(ty, *op, &a)?
            }
            Inst::Binary(op, a, b) => {
                let (divisor, a, b) = (self.known(*b), self.operand(*a), self.operand(*b));
                self.binary(ty, *op, &a, &b, divisor.is_some_and(|d| d > 0))?
            }
            Inst::Compare(op, a, b) => {
                let operand = self.kernel.ty(*a);
                let (a, b) = (self.operand(*a), self.operand(*b));
                self.compare(operand, *op, &a, &b)
            }
            Inst::MulAdd(a, b, c) => {
                let (a, b, c) = (self.operand(*a), self.operand(*b), self.operand(*c));
                self.mul_add(ty, &a, &b, &c)
            }
            Inst::Select(c, a, b) => {
                let mask = text::ty(self.kernel.ty(*c));
                let (c, a, b) = (self.operand(*c), self.operand(*a), self.operand(*b));
                self.value(format_args!("select {mask} {c}, {t} {a}, {t} {b}"))
            }
            Inst::Convert(a) => {
                let from = self.kernel.ty(*a);
                let a = self.operand(*a);
                self.convert(from.dtype, ty, &a)
            }
            Inst::Bitcast(a) => {
                let (from, a) = (text::ty(self.kernel.ty(*a)), self.operand(*a));
                if from == t { a } else { self.value(format_args!("bitcast {from} {a} to {t}")) }
            }
            Inst::Extract(a, lane) => {
                let (from, a) = (self.kernel.ty(*a), self.operand(*a));
                self.extract(from, &a, *lane)
            }
            Inst::Insert(a, lane, b) => {
                let (a, b) = (self.operand(*a), self.operand(*b));
                self.insert(ty, &a, *lane, &b)
            }
            Inst::Fold(op, a) => self.fold(*op, *a)?,
            Inst::Shuffle(a, b, pick) => self.shuffle(*a, *b, pick),
        })
    }

    pub(super) fn splat(&mut self, ty: Ty, a: &str) -> String {
        if ty.lanes == 1 {
            return a.into();
        }
        let (t, element) = (text::ty(ty), text::element(ty.dtype));
        let first = self.value(format_args!("insertelement {t} poison, {element} {a}, i32 0"));
        self.value(format_args!("shufflevector {t} {first}, {t} poison, <{} x i32> zeroinitializer", ty.lanes))
    }

    fn unary(&mut self, ty: Ty, op: UnOp, a: &str) -> Result<String> {
        let t = text::ty(ty);
        let name = match (op, ty.dtype) {
            (UnOp::Neg, DType::F32 | DType::F64) => return Ok(self.value(format_args!("fneg {t} {a}"))),
            (UnOp::Neg, d) if d.is_int() => {
                let zero = text::splat(text::element(d), ty.lanes, "0");
                return Ok(self.value(format_args!("sub {t} {zero}, {a}")));
            }
            (UnOp::Not, d) if !d.is_float() => {
                let ones = text::splat(text::element(d), ty.lanes, "-1");
                return Ok(self.value(format_args!("xor {t} {a}, {ones}")));
            }
            (UnOp::Abs, d) if d.is_signed_int() => {
                let name = format!("llvm.abs.{}", text::suffix(text::element(d), ty.lanes));
                return Ok(self.call(&name, &t, &[(&t, a), ("i1", "false")]));
            }
            (UnOp::Abs, d) if d.is_int() => return Ok(a.into()),
            (UnOp::Abs, _) => "fabs",
            (UnOp::Sqrt, _) => "sqrt",
            (UnOp::Floor, _) => "floor",
            (UnOp::Ceil, _) => "ceil",
            (UnOp::Round, _) => "roundeven",
            (UnOp::Trunc, _) => "trunc",
            _ => return Err(format!("{op:?} of {}", ty.dtype)),
        };
        if !matches!(ty.dtype, DType::F32 | DType::F64) {
            return Err(format!("{op:?} of {}", ty.dtype));
        }
        let name = format!("llvm.{name}.{}", text::suffix(text::element(ty.dtype), ty.lanes));
        Ok(self.call(&name, &t, &[(&t, a)]))
    }

    /// An operation on two operands; `positive` says that the second is a positive constant.
    fn binary(&mut self, ty: Ty, op: BinOp, a: &str, b: &str, positive: bool) -> Result<String> {
        let t = text::ty(ty);
        let signed = ty.dtype.is_signed_int();
        let arithmetic = matches!(ty.dtype, DType::F32 | DType::F64);
        let opcode = match op {
            BinOp::Min | BinOp::Max if ty.dtype == DType::Bool || arithmetic || ty.dtype.is_int() => {
                let order = if op == BinOp::Min { CmpOp::Lt } else { CmpOp::Gt };
                let first = self.compare(ty, order, a, b);
                let mask = text::vector("i1", ty.lanes);
                return Ok(self.value(format_args!("select {mask} {first}, {t} {a}, {t} {b}")));
            }
            BinOp::Div | BinOp::Rem if ty.dtype.is_int() => return Ok(self.divide(ty, op, a, b, positive)),
            BinOp::Shl | BinOp::Shr if ty.dtype.is_int() => {
                let bits = (8 * ty.dtype.size() - 1).to_string();
                let mask = text::splat(text::element(ty.dtype), ty.lanes, &bits);
                let by = self.value(format_args!("and {t} {b}, {mask}"));
                let opcode = match op {
                    BinOp::Shl => "shl",
                    _ if signed => "ashr",
                    _ => "lshr",
                };
                return Ok(self.value(format_args!("{opcode} {t} {a}, {by}")));
            }
            BinOp::Add if arithmetic => "fadd",
            BinOp::Sub if arithmetic => "fsub",
            BinOp::Mul if arithmetic => "fmul",
            BinOp::Div if arithmetic => "fdiv",
            BinOp::Add if ty.dtype.is_int() => "add",
            BinOp::Sub if ty.dtype.is_int() => "sub",
            BinOp::Mul if ty.dtype.is_int() => "mul",
            BinOp::And if !ty.dtype.is_float() => "and",
            BinOp::Or if !ty.dtype.is_float() => "or",
            BinOp::Xor if !ty.dtype.is_float() => "xor",
            _ => return Err(format!("{op:?} of {}", ty.dtype)),
        };
        Ok(self.value(format_args!("{opcode} {t} {a}, {b}")))
    }

    /// Integer division or remainder: by a divisor that is 0 or -1 it is guarded, since LLVM leaves `x / 0` and
    /// `MIN / -1` undefined.
    fn divide(&mut self, ty: Ty, op: BinOp, a: &str, b: &str, positive: bool) -> String {
        let (t, element, mask) = (text::ty(ty), text::element(ty.dtype), text::vector("i1", ty.lanes));
        let signed = ty.dtype.is_signed_int();
        let opcode = match (op, signed) {
            (BinOp::Div, true) => "sdiv",
            (BinOp::Div, false) => "udiv",
            (_, true) => "srem",
            (_, false) => "urem",
        };
        if positive {
            return self.value(format_args!("{opcode} {t} {a}, {b}"));
        }
        let constant = |value: &str| text::splat(element, ty.lanes, value);
        let (zero, one, minus_one) = (constant("0"), constant("1"), constant("-1"));
        let by_zero = self.value(format_args!("icmp eq {t} {b}, {zero}"));
        let mut divisor = self.value(format_args!("select {mask} {by_zero}, {t} {one}, {t} {b}"));
        let mut negated = None;
        if signed {
            let negates = self.value(format_args!("icmp eq {t} {b}, {minus_one}"));
            divisor = self.value(format_args!("select {mask} {negates}, {t} {one}, {t} {divisor}"));
            negated = (op == BinOp::Div).then_some(negates);
        }
        let mut result = self.value(format_args!("{opcode} {t} {a}, {divisor}"));
        if let Some(negates) = negated {
            let negative = self.value(format_args!("sub {t} {zero}, {a}"));
            result = self.value(format_args!("select {mask} {negates}, {t} {negative}, {t} {result}"));
        }
        self.value(format_args!("select {mask} {by_zero}, {t} {zero}, {t} {result}"))
    }

    pub(super) fn compare(&mut self, operand: Ty, op: CmpOp, a: &str, b: &str) -> String {
        let t = text::ty(operand);
        let (instruction, prefix) = match operand.dtype {
            DType::F32 | DType::F64 => ("fcmp", if op == CmpOp::Ne { "u" } else { "o" }),
            _ if matches!(op, CmpOp::Eq | CmpOp::Ne) => ("icmp", ""),
            d if d.is_signed_int() => ("icmp", "s"),
            _ => ("icmp", "u"),
        };
        let order = match op {
            CmpOp::Eq => "eq",
            CmpOp::Ne => "ne",
            CmpOp::Lt => "lt",
            CmpOp::Le => "le",
            CmpOp::Gt => "gt",
            CmpOp::Ge => "ge",
        };
        self.value(format_args!("{instruction} {prefix}{order} {t} {a}, {b}"))
    }

    fn mul_add(&mut self, ty: Ty, a: &str, b: &str, c: &str) -> String {
        let t = text::ty(ty);
        let float = ty.dtype.is_float();
        if float && self.isa >= Isa::X86V3 {
            let name = format!("llvm.fma.{}", text::suffix(text::element(ty.dtype), ty.lanes));
            return self.call(&name, &t, &[(&t, a), (&t, b), (&t, c)]);
        }
        let (mul, add) = if float { ("fmul", "fadd") } else { ("mul", "add") };
        let product = self.value(format_args!("{mul} {t} {a}, {b}"));
        self.value(format_args!("{add} {t} {product}, {c}"))
    }

    fn extract(&mut self, from: Ty, a: &str, lane: u16) -> String {
        if from.lanes == 1 {
            return a.into();
        }
        self.value(format_args!("extractelement {} {a}, i32 {lane}", text::ty(from)))
    }

    fn insert(&mut self, ty: Ty, a: &str, lane: u16, b: &str) -> String {
        if ty.lanes == 1 {
            return b.into();
        }
        let (t, element) = (text::ty(ty), text::element(ty.dtype));
        self.value(format_args!("insertelement {t} {a}, {element} {b}, i32 {lane}"))
    }

    fn fold(&mut self, op: BinOp, a: Val) -> Result<String> {
        let mut ty = self.kernel.ty(a);
        let mut folded = self.operand(a);
        while ty.lanes > 1 {
            let t = text::ty(ty);
            let half = ty.lanes / 2;
            let mut part = |lanes: std::ops::Range<u16>| {
                let pick = text::numbers("i32", lanes.map(i64::from));
                self.value(format_args!("shufflevector {t} {folded}, {t} poison, <{half} x i32> {pick}"))
            };
            let (mut low, mut high) = (part(0..half), part(half..ty.lanes));
            if half == 1 {
                let one = format!("<1 x {}>", text::element(ty.dtype));
                low = self.value(format_args!("extractelement {one} {low}, i32 0"));
                high = self.value(format_args!("extractelement {one} {high}, i32 0"));
            }
            ty.lanes = half;
            folded = self.binary(ty, op, &low, &high, false)?;
        }
        Ok(folded)
    }

    fn shuffle(&mut self, a: Val, b: Val, pick: &[u16]) -> String {
        let from = self.kernel.ty(a);
        let (a, b) = (self.operand(a), self.operand(b));
        let source = |lane: u16| if lane < from.lanes { (&a, lane) } else { (&b, lane - from.lanes) };
        if let [lane] = *pick {
            let (vector, lane) = source(lane);
            return self.extract(from, vector, lane);
        }
        if from.lanes == 1 {
            let ty = Ty { lanes: pick.len() as u16, ..from };
            let mut result = "poison".to_string();
            for (k, &lane) in pick.iter().enumerate() {
                result = self.insert(ty, &result, k as u16, source(lane).0);
            }
            return result;
        }
        let t = text::ty(from);
        let lanes = text::numbers("i32", pick.iter().map(|&p| p.into()));
        self.value(format_args!("shufflevector {t} {a}, {t} {b}, <{} x i32> {lanes}", pick.len()))
    }
}
