//! Arithmetic, comparison and selection, on vector parts where there is an instruction, else lane by lane.

use super::function::Emitter;
use super::parts::{Parts, scalar_type, shape, vector_type, width};
use cnnc_ir::kernel::{BinOp, CmpOp, Ty, UnOp};
use cnnc_tensor::{DType, Isa};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64)
}

/// Whether an operation has an instruction for vector parts of a type.
fn has_vector(op: BinOp, dtype: DType) -> bool {
    use BinOp::*;
    match dtype {
        DType::F32 | DType::F64 | DType::Bool => true,
        DType::I32 | DType::U32 => !matches!(op, Div | Rem | Shl | Shr),
        DType::I64 | DType::U64 => matches!(op, Add | Sub | And | Or | Xor),
        _ => false,
    }
}

impl Emitter<'_> {
    pub(super) fn unary(&mut self, op: UnOp, ty: Ty, a: &[Value]) -> Parts {
        let (vectors, _) = shape(ty);
        a.iter().enumerate().map(|(part, &a)| self.unary_part(op, ty.dtype, a, part < vectors)).collect()
    }

    fn unary_part(&mut self, op: UnOp, dtype: DType, a: Value, vector: bool) -> Value {
        let float = is_float(dtype);
        match op {
            UnOp::Neg if float => self.b.ins().fneg(a),
            UnOp::Neg => self.b.ins().ineg(a),
            UnOp::Abs if float => self.b.ins().fabs(a),
            UnOp::Abs if dtype.is_signed_int() => {
                let negative = self.b.ins().ineg(a);
                if vector {
                    let two = Ty::vector(dtype, width(dtype));
                    let less = self.compare(CmpOp::Lt, two, &[a], &[negative]);
                    return self.select(two, &less, &[negative], &[a])[0];
                }
                let less = self.b.ins().icmp(IntCC::SignedLessThan, a, negative);
                self.b.ins().select(less, negative, a)
            }
            UnOp::Abs => a,
            UnOp::Sqrt => self.b.ins().sqrt(a),
            UnOp::Floor => self.b.ins().floor(a),
            UnOp::Ceil => self.b.ins().ceil(a),
            UnOp::Round => self.b.ins().nearest(a),
            UnOp::Trunc => self.b.ins().trunc(a),
            UnOp::Not if dtype == DType::Bool && !vector => {
                let one = self.int(types::I8, 1);
                self.b.ins().bxor(a, one)
            }
            UnOp::Not => self.b.ins().bnot(a),
        }
    }

    /// `divisor` is the constant that `b` is known to be.
    pub(super) fn binary(&mut self, op: BinOp, ty: Ty, a: &[Value], b: &[Value], divisor: Option<i64>) -> Parts {
        let (vectors, _) = shape(ty);
        if vectors == 0 || has_vector(op, ty.dtype) {
            let parts = a.iter().zip(b).enumerate();
            return parts
                .map(|(part, (&a, &b))| self.binary_part(op, ty.dtype, a, b, part < vectors, divisor))
                .collect();
        }
        let (a, b) = (self.lanes(ty, a), self.lanes(ty, b));
        let lanes: Vec<Value> =
            a.into_iter().zip(b).map(|(a, b)| self.binary_part(op, ty.dtype, a, b, false, None)).collect();
        self.pack(ty, &lanes)
    }

    fn binary_part(&mut self, op: BinOp, dtype: DType, a: Value, b: Value, vector: bool, by: Option<i64>) -> Value {
        match dtype {
            DType::F32 | DType::F64 => self.float_part(op, dtype, a, b, vector),
            DType::Bool => match op {
                BinOp::Or | BinOp::Max => self.b.ins().bor(a, b),
                BinOp::Xor => self.b.ins().bxor(a, b),
                _ => self.b.ins().band(a, b),
            },
            _ if vector => self.int_vector(op, dtype, a, b),
            _ => self.int_scalar(op, dtype, a, b, by),
        }
    }

    fn float_part(&mut self, op: BinOp, dtype: DType, a: Value, b: Value, vector: bool) -> Value {
        match op {
            BinOp::Add => self.b.ins().fadd(a, b),
            BinOp::Sub => self.b.ins().fsub(a, b),
            BinOp::Mul => self.b.ins().fmul(a, b),
            BinOp::Div => self.b.ins().fdiv(a, b),
            _ => {
                let (x, y) = if op == BinOp::Max { (b, a) } else { (a, b) };
                let less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
                if vector {
                    let mask = self.b.ins().bitcast(vector_type(dtype), MemFlagsData::new(), less);
                    self.b.ins().bitselect(mask, a, b)
                } else {
                    self.b.ins().select(less, a, b)
                }
            }
        }
    }

    fn int_vector(&mut self, op: BinOp, dtype: DType, a: Value, b: Value) -> Value {
        let signed = dtype.is_signed_int();
        match op {
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::Min if signed => self.b.ins().smin(a, b),
            BinOp::Min => self.b.ins().umin(a, b),
            BinOp::Max if signed => self.b.ins().smax(a, b),
            BinOp::Max => self.b.ins().umax(a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            _ => self.b.ins().bxor(a, b),
        }
    }

    /// Integers below 32 bits are computed in 32 and cut.
    fn int_scalar(&mut self, op: BinOp, dtype: DType, a: Value, b: Value, by: Option<i64>) -> Value {
        if dtype.size() >= 4 {
            return self.int_wide(op, dtype, a, b, by);
        }
        let (wide, signed) = (types::I32, dtype.is_signed_int());
        let a = if signed { self.b.ins().sextend(wide, a) } else { self.b.ins().uextend(wide, a) };
        let b = if signed { self.b.ins().sextend(wide, b) } else { self.b.ins().uextend(wide, b) };
        let b = match op {
            BinOp::Shl | BinOp::Shr => {
                let mask = self.int(wide, 8 * dtype.size() as i64 - 1);
                self.b.ins().band(b, mask)
            }
            _ => b,
        };
        let result = self.int_wide(op, if signed { DType::I32 } else { DType::U32 }, a, b, None);
        self.b.ins().ireduce(scalar_type(dtype), result)
    }

    fn int_wide(&mut self, op: BinOp, dtype: DType, a: Value, b: Value, by: Option<i64>) -> Value {
        let signed = dtype.is_signed_int();
        match op {
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Shl => self.b.ins().ishl(a, b),
            BinOp::Shr if signed => self.b.ins().sshr(a, b),
            BinOp::Shr => self.b.ins().ushr(a, b),
            BinOp::Min | BinOp::Max => {
                let op = if op == BinOp::Min { CmpOp::Lt } else { CmpOp::Gt };
                let first = self.b.ins().icmp(int_condition(op, signed), a, b);
                self.b.ins().select(first, a, b)
            }
            BinOp::Div | BinOp::Rem => self.divide(op, dtype, a, b, by),
        }
    }

    /// x / 0 and x rem 0 are 0, MIN / -1 is MIN, MIN rem -1 is 0: those divide by 1 and replace the result.
    fn divide(&mut self, op: BinOp, dtype: DType, a: Value, b: Value, by: Option<i64>) -> Value {
        let (ty, signed, rest) = (scalar_type(dtype), dtype.is_signed_int(), op == BinOp::Rem);
        if by.is_some_and(|by| by > 0) {
            return self.divide_plain(signed, rest, a, b);
        }
        let (zero, one) = (self.int(ty, 0), self.int(ty, 1));
        let by_zero = self.b.ins().icmp(IntCC::Equal, b, zero);
        let mut safe = self.b.ins().select(by_zero, one, b);
        if !signed {
            let result = self.divide_plain(signed, rest, a, safe);
            return self.b.ins().select(by_zero, zero, result);
        }
        let minus = self.int(ty, -1);
        let by_minus = self.b.ins().icmp(IntCC::Equal, b, minus);
        safe = self.b.ins().select(by_minus, one, safe);
        let result = self.divide_plain(signed, rest, a, safe);
        let negative = if rest { zero } else { self.b.ins().ineg(a) };
        let result = self.b.ins().select(by_minus, negative, result);
        self.b.ins().select(by_zero, zero, result)
    }

    fn divide_plain(&mut self, signed: bool, rest: bool, a: Value, b: Value) -> Value {
        match (signed, rest) {
            (true, false) => self.b.ins().sdiv(a, b),
            (true, true) => self.b.ins().srem(a, b),
            (false, false) => self.b.ins().udiv(a, b),
            (false, true) => self.b.ins().urem(a, b),
        }
    }

    pub(super) fn mul_add(&mut self, ty: Ty, a: &[Value], b: &[Value], c: &[Value]) -> Parts {
        if is_float(ty.dtype) && self.isa >= Isa::X86V3 {
            return (0..a.len()).map(|part| self.b.ins().fma(a[part], b[part], c[part])).collect();
        }
        let product = self.binary(BinOp::Mul, ty, a, b, None);
        self.binary(BinOp::Add, ty, &product, c, None)
    }

    /// `ty` is the operands' type.
    pub(super) fn compare(&mut self, op: CmpOp, ty: Ty, a: &[Value], b: &[Value]) -> Parts {
        let (vectors, _) = shape(ty);
        if ty.lanes == 1 || width(ty.dtype) == width(DType::Bool) {
            let parts = a.iter().zip(b).enumerate();
            return parts.map(|(part, (&a, &b))| self.compare_part(op, ty.dtype, a, b, part < vectors)).collect();
        }
        let (a, b) = (self.lanes(ty, a), self.lanes(ty, b));
        let lanes: Vec<Value> =
            a.into_iter().zip(b).map(|(a, b)| self.compare_part(op, ty.dtype, a, b, false)).collect();
        self.pack(Ty { dtype: DType::Bool, ..ty }, &lanes)
    }

    fn compare_part(&mut self, op: CmpOp, dtype: DType, a: Value, b: Value, vector: bool) -> Value {
        match dtype {
            DType::F32 | DType::F64 => self.b.ins().fcmp(float_condition(op), a, b),
            // A mask of true is less than one of false where they are signed.
            DType::Bool if vector => self.b.ins().icmp(int_condition(op, true), b, a),
            _ => self.b.ins().icmp(int_condition(op, dtype.is_signed_int()), a, b),
        }
    }

    pub(super) fn select(&mut self, ty: Ty, c: &[Value], a: &[Value], b: &[Value]) -> Parts {
        let (vectors, _) = shape(ty);
        if ty.lanes == 1 || width(ty.dtype) == width(DType::Bool) {
            return (0..a.len()).map(|part| self.select_part(c[part], a[part], b[part], part < vectors)).collect();
        }
        let c = self.lanes(Ty { dtype: DType::Bool, ..ty }, c);
        let (a, b) = (self.lanes(ty, a), self.lanes(ty, b));
        let lanes: Vec<Value> = (0..a.len()).map(|lane| self.b.ins().select(c[lane], a[lane], b[lane])).collect();
        self.pack(ty, &lanes)
    }

    fn select_part(&mut self, c: Value, a: Value, b: Value, vector: bool) -> Value {
        if !vector {
            return self.b.ins().select(c, a, b);
        }
        let ty = self.b.func.dfg.value_type(a);
        let (a, b) = (self.cast(types::I32X4, a), self.cast(types::I32X4, b));
        let chosen = self.b.ins().blendv(c, a, b);
        self.cast(ty, chosen)
    }

    /// The same bits as another type of the same number of lanes.
    pub fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.b.func.dfg.value_type(value) == ty {
            value
        } else {
            self.b.ins().bitcast(ty, MemFlagsData::new(), value)
        }
    }

    /// Folds halves together until one lane is left; the lower half is the first operand.
    pub(super) fn fold(&mut self, op: BinOp, ty: Ty, mut parts: Parts) -> Value {
        let (vectors, _) = shape(ty);
        let mut lanes = ty.lanes;
        if has_vector(op, ty.dtype) {
            while parts.len() > 1 && vectors > 0 {
                let high = parts.split_off(parts.len() / 2);
                parts = self.binary(op, Ty { lanes: lanes / 2, ..ty }, &parts, &high, None);
                lanes /= 2;
            }
        }
        let mut parts = self.lanes(Ty { lanes, ..ty }, &parts);
        while parts.len() > 1 {
            let high = parts.split_off(parts.len() / 2);
            let pairs = parts.into_iter().zip(high);
            parts = pairs.map(|(a, b)| self.binary_part(op, ty.dtype, a, b, false, None)).collect();
        }
        parts[0]
    }
}

fn float_condition(op: CmpOp) -> FloatCC {
    match op {
        CmpOp::Eq => FloatCC::Equal,
        CmpOp::Ne => FloatCC::NotEqual,
        CmpOp::Lt => FloatCC::LessThan,
        CmpOp::Le => FloatCC::LessThanOrEqual,
        CmpOp::Gt => FloatCC::GreaterThan,
        CmpOp::Ge => FloatCC::GreaterThanOrEqual,
    }
}

fn int_condition(op: CmpOp, signed: bool) -> IntCC {
    match op {
        CmpOp::Eq => IntCC::Equal,
        CmpOp::Ne => IntCC::NotEqual,
        CmpOp::Lt if signed => IntCC::SignedLessThan,
        CmpOp::Lt => IntCC::UnsignedLessThan,
        CmpOp::Le if signed => IntCC::SignedLessThanOrEqual,
        CmpOp::Le => IntCC::UnsignedLessThanOrEqual,
        CmpOp::Gt if signed => IntCC::SignedGreaterThan,
        CmpOp::Gt => IntCC::UnsignedGreaterThan,
        CmpOp::Ge if signed => IntCC::SignedGreaterThanOrEqual,
        CmpOp::Ge => IntCC::UnsignedGreaterThanOrEqual,
    }
}
