//! How far a backend's floats may be from the interpreter's: the one table of bounds. Integers, bools and data movement
//! agree exactly, and a NaN agrees with any NaN.

use cnnc_ir::kernel::{BinOp, Inst, UnOp};

/// Bound of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Units in the last place from the interpreter's result.
    Ulps(u64),
    /// The interpreter's result, which is rounded twice, or the one that is rounded once.
    OnceOrTwice,
}

/// The bound of an instruction on floats.
#[rustfmt::skip]
pub fn bound(inst: &Inst) -> Bound {
    match inst {
        Inst::Unary(UnOp::Neg | UnOp::Abs, _)                                   => Bound::Ulps(0),
        Inst::Unary(UnOp::Sqrt, _)                                              => Bound::Ulps(0),
        Inst::Unary(UnOp::Floor | UnOp::Ceil | UnOp::Round | UnOp::Trunc, _)    => Bound::Ulps(0),
        Inst::Binary(BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div, _, _)   => Bound::Ulps(0),
        Inst::Binary(BinOp::Min | BinOp::Max, _, _)                             => Bound::Ulps(0),
        Inst::MulAdd(..)                                                        => Bound::OnceOrTwice,
        Inst::Fold(..)                                                          => Bound::Ulps(0),
        Inst::Convert(_)                                                        => Bound::Ulps(0),
        _                                                                       => Bound::Ulps(0),
    }
}

#[test]
fn only_the_fused_product_has_freedom() {
    use cnnc_ir::kernel::Val;
    assert_eq!(bound(&Inst::MulAdd(Val(0), Val(1), Val(2))), Bound::OnceOrTwice);
    assert_eq!(bound(&Inst::Unary(UnOp::Sqrt, Val(0))), Bound::Ulps(0));
}
