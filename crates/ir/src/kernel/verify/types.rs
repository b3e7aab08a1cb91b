//! Types of instructions: which operands each takes and what it gives.
//!
//! F16 and BF16 are moved and converted, never computed with. Bools are moved, compared (false < true), combined by
//! `and`, `or`, `xor`, `min`, `max`, inverted by `not`, and converted.

use super::Verifier;
use crate::kernel::{BinOp, DType, Inst, Ty, UnOp, Val};

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// Whether `op` takes operands of a type.
fn unary_takes(op: UnOp, dtype: DType) -> bool {
    match op {
        _ if is_half(dtype) => false,
        UnOp::Neg | UnOp::Abs => dtype != DType::Bool,
        UnOp::Sqrt | UnOp::Floor | UnOp::Ceil | UnOp::Round | UnOp::Trunc => dtype.is_float(),
        UnOp::Not => !dtype.is_float(),
    }
}

/// Whether `op` takes operands of a type.
fn binary_takes(op: BinOp, dtype: DType) -> bool {
    match op {
        _ if is_half(dtype) => false,
        BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div => dtype != DType::Bool,
        BinOp::Rem | BinOp::Shl | BinOp::Shr => dtype.is_int(),
        BinOp::Min | BinOp::Max => true,
        BinOp::And | BinOp::Or | BinOp::Xor => !dtype.is_float(),
    }
}

/// Whether an operation can fold lanes.
fn folds(op: BinOp) -> bool {
    use BinOp::*;
    matches!(op, Add | Mul | Min | Max | And | Or | Xor)
}

fn want(fine: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if fine { Ok(()) } else { Err(what()) }
}

impl Verifier<'_> {
    /// Checks that an instruction's operands are in scope and that it gives a value of type `ty`.
    pub(super) fn typed(&self, ty: Ty, inst: &Inst) -> Result<(), String> {
        let result = |is: Ty| want(is == ty, || format!("its instruction gives {}", is));
        match inst {
            Inst::Const(scalar) => result(Ty { dtype: scalar.dtype(), ..ty }),
            Inst::Get(var) => result(self.var(*var)?),
            Inst::Load { buffer, index, count } => {
                self.index(*index, "an index")?;
                count.map_or(Ok(()), |count| self.index(count, "a count"))?;
                result(Ty { dtype: self.buffer(*buffer)?.dtype, ..ty })
            }
            Inst::Splat(scalar) => {
                let from = self.scalar(*scalar)?;
                result(Ty { dtype: from, ..ty })
            }
            Inst::Lanes(begin) => {
                let from = self.scalar(*begin)?;
                want(from.is_int(), || format!("lanes counts in {from}"))?;
                result(Ty { dtype: from, ..ty })
            }
            Inst::Unary(op, a) => {
                let a = self.used(*a)?;
                want(unary_takes(*op, a.dtype), || format!("{} does not take {}", op.name(), a.dtype))?;
                result(a)
            }
            Inst::Binary(op, a, b) => {
                let (a, b) = (self.used(*a)?, self.used(*b)?);
                want(a == b, || format!("{} of {a} and {b}", op.name()))?;
                want(binary_takes(*op, a.dtype), || format!("{} does not take {}", op.name(), a.dtype))?;
                result(a)
            }
            Inst::Compare(op, a, b) => {
                let (a, b) = (self.used(*a)?, self.used(*b)?);
                want(a == b, || format!("{} of {a} and {b}", op.name()))?;
                want(!is_half(a.dtype), || format!("{} does not take {}", op.name(), a.dtype))?;
                result(Ty { dtype: DType::Bool, ..a })
            }
            Inst::MulAdd(a, b, c) => {
                let (a, b, c) = (self.used(*a)?, self.used(*b)?, self.used(*c)?);
                want(a == b && b == c, || format!("mul_add of {}, {} and {}", a, b, c))?;
                want(binary_takes(BinOp::Mul, a.dtype), || format!("mul_add does not take {}", a.dtype))?;
                result(a)
            }
            Inst::Select(c, a, b) => {
                let (c, a, b) = (self.used(*c)?, self.used(*a)?, self.used(*b)?);
                let fine = a == b && c == Ty { dtype: DType::Bool, ..a };
                want(fine, || format!("select of {}, {} and {}", c, a, b))?;
                result(a)
            }
            Inst::Convert(a) => {
                let a = self.used(*a)?;
                result(Ty { dtype: ty.dtype, ..a })
            }
            Inst::Bitcast(a) => {
                let a = self.used(*a)?;
                let fine = a.lanes == ty.lanes
                    && a.dtype.size() == ty.dtype.size()
                    && a.dtype != DType::Bool
                    && ty.dtype != DType::Bool;
                want(fine, || format!("bitcast of {}", a))
            }
            Inst::Extract(a, lane) => {
                let a = self.used(*a)?;
                want(*lane < a.lanes, || format!("lane {lane} of {}", a))?;
                result(Ty::scalar(a.dtype))
            }
            Inst::Insert(a, lane, scalar) => {
                let (a, scalar) = (self.used(*a)?, self.scalar(*scalar)?);
                want(*lane < a.lanes, || format!("lane {lane} of {}", a))?;
                want(scalar == a.dtype, || format!("insert of {scalar} into {}", a))?;
                result(a)
            }
            Inst::Fold(op, a) => {
                let a = self.used(*a)?;
                let fine = folds(*op) && binary_takes(*op, a.dtype) && a.lanes.is_power_of_two();
                want(fine, || format!("{} does not fold {a}", op.name()))?;
                result(Ty::scalar(a.dtype))
            }
            Inst::Shuffle(a, b, pick) => {
                let (a, b) = (self.used(*a)?, self.used(*b)?);
                want(a == b, || format!("shuffle of {} and {}", a, b))?;
                if let Some(far) = pick.iter().find(|&&lane| lane >= 2 * a.lanes) {
                    return Err(format!("shuffle picks lane {far} of 2 x {a}"));
                }
                let lanes = u16::try_from(pick.len()).unwrap_or(u16::MAX);
                result(Ty { dtype: a.dtype, lanes })
            }
        }
    }

    /// Element type of a value that must be a scalar.
    fn scalar(&self, value: Val) -> Result<DType, String> {
        let ty = self.used(value)?;
        if ty.lanes == 1 { Ok(ty.dtype) } else { Err(format!("{value} of {ty} is no scalar")) }
    }
}
