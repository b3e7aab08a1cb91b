//! Names of operations, roles and axes in texts.

use crate::kernel::{Axis, BinOp, CmpOp, Role, Ty, UnOp};
use cnnc_tensor::DType;
use std::fmt;

impl UnOp {
    /// Every operation.
    pub const ALL: [UnOp; 8] = {
        use UnOp::*;
        [Neg, Abs, Sqrt, Floor, Ceil, Round, Trunc, Not]
    };

    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            UnOp::Neg => "neg",
            UnOp::Abs => "abs",
            UnOp::Sqrt => "sqrt",
            UnOp::Floor => "floor",
            UnOp::Ceil => "ceil",
            UnOp::Round => "round",
            UnOp::Trunc => "trunc",
            UnOp::Not => "not",
        }
    }
}

impl BinOp {
    /// Every operation.
    pub const ALL: [BinOp; 12] = {
        use BinOp::*;
        [Add, Sub, Mul, Div, Rem, Min, Max, And, Or, Xor, Shl, Shr]
    };

    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            BinOp::Add => "add",
            BinOp::Sub => "sub",
            BinOp::Mul => "mul",
            BinOp::Div => "div",
            BinOp::Rem => "rem",
            BinOp::Min => "min",
            BinOp::Max => "max",
            BinOp::And => "and",
            BinOp::Or => "or",
            BinOp::Xor => "xor",
            BinOp::Shl => "shl",
            BinOp::Shr => "shr",
        }
    }
}

impl CmpOp {
    /// Every comparison.
    pub const ALL: [CmpOp; 6] = {
        use CmpOp::*;
        [Eq, Ne, Lt, Le, Gt, Ge]
    };

    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            CmpOp::Eq => "eq",
            CmpOp::Ne => "ne",
            CmpOp::Lt => "lt",
            CmpOp::Le => "le",
            CmpOp::Gt => "gt",
            CmpOp::Ge => "ge",
        }
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Read, Role::Write, Role::ReadWrite, Role::Scratch];

    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::ReadWrite => "readwrite",
            Role::Scratch => "scratch",
        }
    }
}

impl Axis {
    /// Every kind of loop.
    pub const ALL: [Axis; 3] = [Axis::Serial, Axis::Unrolled, Axis::Parallel];

    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Serial => "serial",
            Axis::Unrolled => "unrolled",
            Axis::Parallel => "parallel",
        }
    }
}

/// `f32`, `f32x16`.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lanes {
            1 => write!(f, "{}", self.dtype),
            lanes => write!(f, "{}x{lanes}", self.dtype),
        }
    }
}

impl Ty {
    /// Reads what [`Display`](fmt::Display) printed.
    pub fn parse(text: &str) -> Option<Ty> {
        if let Some(dtype) = DType::from_name(text) {
            return Some(Ty::scalar(dtype));
        }
        let (dtype, lanes) = text.rsplit_once('x')?;
        Some(Ty::vector(DType::from_name(dtype)?, lanes.parse().ok()?))
    }
}
