//! Random values: instructions of every kind on operands that fit.

use super::{Maker, interesting};
use crate::kernel::{BinOp, CmpOp, Inst, Ty, UnOp, Val};
use cnnc_tensor::{DType, Scalar};

impl Maker<'_> {
    /// A value of a type: one in scope or a new one.
    pub(super) fn operand(&mut self, ty: Ty) -> Val {
        let fitting: Vec<Val> = self.pool.iter().rev().copied().filter(|&v| self.b.ty(v) == ty).take(6).collect();
        let pick = self.choose(fitting.len() + 2);
        if let Some(&value) = fitting.get(pick) {
            return value;
        }
        let same_lanes = self.pool.iter().rev().copied().find(|&v| self.b.ty(v).lanes == ty.lanes);
        match (self.choose(3), same_lanes) {
            (0, Some(value)) => self.b.convert(value, ty.dtype),
            (1, _) => {
                let scalar = self.number(ty.dtype, 1);
                let one = self.pool.iter().copied().find(|&v| self.b.ty(v) == Ty::scalar(ty.dtype)).unwrap_or(scalar);
                self.b.inst(ty, Inst::Splat(one))
            }
            _ => self.number(ty.dtype, ty.lanes),
        }
    }

    fn number(&mut self, dtype: DType, lanes: u16) -> Val {
        let bits = (0..8).fold(0, |bits, _| bits << 8 | self.byte() as u64);
        let kind = self.byte() as u8;
        self.b.constant(interesting(dtype, kind, bits), lanes)
    }

    /// A value of an instruction on others.
    pub(super) fn inst(&mut self) -> Val {
        let ty = Ty::vector(self.dtype(), self.lanes());
        let Ty { dtype, lanes } = ty;
        let half = matches!(dtype, DType::F16 | DType::BF16);
        match self.choose(14) {
            0 if !half => {
                let fits = |op: &UnOp| match op {
                    UnOp::Neg | UnOp::Abs => dtype != DType::Bool,
                    UnOp::Not => !dtype.is_float(),
                    _ => dtype.is_float(),
                };
                let ops: Vec<UnOp> = UnOp::ALL.into_iter().filter(fits).collect();
                let op = ops[self.choose(ops.len())];
                let a = self.operand(ty);
                self.b.unary(op, a)
            }
            1..=4 if !half => {
                let fits = |op: &BinOp| match op {
                    BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div => dtype != DType::Bool,
                    BinOp::Rem | BinOp::Shl | BinOp::Shr => dtype.is_int(),
                    BinOp::Min | BinOp::Max => true,
                    BinOp::And | BinOp::Or | BinOp::Xor => !dtype.is_float(),
                };
                let ops: Vec<BinOp> = BinOp::ALL.into_iter().filter(fits).collect();
                let op = ops[self.choose(ops.len())];
                let (a, b) = (self.operand(ty), self.operand(ty));
                self.b.inst(ty, Inst::Binary(op, a, b))
            }
            5 if !half => {
                let op = CmpOp::ALL[self.choose(6)];
                let (a, b) = (self.operand(ty), self.operand(ty));
                self.b.compare(op, a, b)
            }
            6 if dtype.is_int() => {
                let (a, b, c) = (self.operand(ty), self.operand(ty), self.operand(ty));
                self.b.mul_add(a, b, c)
            }
            6 if !half && dtype.is_float() => {
                let small = Ty { dtype: DType::I8, ..ty };
                let [a, b, c] = [self.operand(small), self.operand(small), self.operand(small)];
                let [a, b, c] = [a, b, c].map(|v| self.b.convert(v, dtype));
                self.b.mul_add(a, b, c)
            }
            7 => {
                let (c, a, b) = (self.operand(Ty { dtype: DType::Bool, ..ty }), self.operand(ty), self.operand(ty));
                self.b.select(c, a, b)
            }
            8 => {
                let a = self.operand(ty);
                let to = self.dtype();
                self.b.convert(a, to)
            }
            9 if dtype != DType::Bool && !half => self.bitcast(ty),
            10 => {
                let (a, lane) = (self.operand(ty), self.choose(usize::from(lanes)) as u16);
                if self.choose(2) == 0 {
                    return self.b.extract(a, lane);
                }
                let scalar = self.operand(Ty::scalar(dtype));
                self.b.insert(a, lane, scalar)
            }
            11 if !half => {
                let ops: &[BinOp] = match dtype {
                    DType::Bool => &[BinOp::And, BinOp::Or, BinOp::Xor, BinOp::Min, BinOp::Max],
                    _ if dtype.is_float() => &[BinOp::Add, BinOp::Mul, BinOp::Min, BinOp::Max],
                    _ => &[BinOp::Add, BinOp::Mul, BinOp::Min, BinOp::Max, BinOp::And, BinOp::Or, BinOp::Xor],
                };
                let op = ops[self.choose(ops.len())];
                let a = self.operand(Ty { dtype, lanes: lanes.next_power_of_two() });
                self.b.inst(Ty::scalar(dtype), Inst::Fold(op, a))
            }
            12 if dtype.is_int() => {
                let begin = self.operand(Ty::scalar(dtype));
                self.b.lanes(begin, lanes)
            }
            13 if !self.vars.is_empty() => {
                let k = self.choose(self.vars.len());
                let (var, _) = self.vars[k];
                self.b.get(var)
            }
            _ => {
                let (a, b) = (self.operand(ty), self.operand(ty));
                let pick = (0..self.lanes()).map(|_| self.choose(2 * usize::from(lanes)) as u16).collect();
                self.b.shuffle(a, b, pick)
            }
        }
    }

    /// The bits of a value as another type; a NaN's are replaced.
    fn bitcast(&mut self, ty: Ty) -> Val {
        let mut value = self.operand(ty);
        if ty.dtype.is_float() {
            let fine = self.b.compare(CmpOp::Eq, value, value);
            let zero = self.b.constant(Scalar::from_f64(ty.dtype, 0.0), ty.lanes);
            value = self.b.select(fine, value, zero);
        }
        let fits = |d: &DType| d.size() == ty.dtype.size() && *d != DType::Bool;
        let all: Vec<DType> = DType::ALL.into_iter().filter(fits).collect();
        let to = all[self.choose(all.len())];
        self.b.bitcast(value, to)
    }
}
