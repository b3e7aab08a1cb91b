//! Types of scalar expressions.

use super::{BinaryOp, Expr, ExprNode, UnaryOp};
use cnnc_tensor::DType;

/// Why an expression has no type.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExprError {
    /// An operand that is not there.
    #[error("expression uses ${0}, but there are {1} operands")]
    NoOperand(u32, usize),
    /// An operation on types it does not take.
    #[error("{0} does not take {1}")]
    WrongType(&'static str, String),
}

impl Expr {
    /// The type of every node, given the operands' types.
    pub fn node_types(&self, inputs: &[DType]) -> Result<Vec<DType>, ExprError> {
        let mut types: Vec<DType> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let at = |id: super::ExprId| types[id.0 as usize];
            types.push(match *node {
                ExprNode::Input(k) => *inputs.get(k as usize).ok_or(ExprError::NoOperand(k, inputs.len()))?,
                ExprNode::Index(_) => DType::I64,
                ExprNode::Const(value) => value.dtype(),
                ExprNode::Unary(op, a) => op.result_type(at(a))?,
                ExprNode::Binary(op, a, b) => op.result_type(at(a), at(b))?,
                ExprNode::Cast(dtype, _) => dtype,
                ExprNode::Select(c, a, b) if at(c) == DType::Bool && at(a) == at(b) => at(a),
                ExprNode::Select(c, a, b) => {
                    return Err(ExprError::WrongType("select", format!("{}, {}, {}", at(c), at(a), at(b))));
                }
            });
        }
        Ok(types)
    }

    /// The result's type, given the operands' types.
    pub fn result_type(&self, inputs: &[DType]) -> Result<DType, ExprError> {
        Ok(self.node_types(inputs)?[self.nodes().len() - 1])
    }
}

impl UnaryOp {
    /// Type of `op(a)`.
    pub fn result_type(self, a: DType) -> Result<DType, ExprError> {
        use UnaryOp::*;
        let fine = match self {
            Neg | Abs | Sign | Relu => a != DType::Bool,
            Not => !a.is_float(),
            _ => a.is_float(),
        };
        match self {
            _ if !fine => Err(ExprError::WrongType(self.name(), a.to_string())),
            IsNan | IsInf => Ok(DType::Bool),
            _ => Ok(a),
        }
    }
}

impl BinaryOp {
    /// Type of `op(a, b)`.
    pub fn result_type(self, a: DType, b: DType) -> Result<DType, ExprError> {
        use BinaryOp::*;
        let fine = a == b
            && match self {
                And | Or | Xor => !a.is_float(),
                Eq | Lt | Le | Min | Max => true,
                _ => a != DType::Bool,
            };
        match self {
            _ if !fine => Err(ExprError::WrongType(self.name(), format!("{a}, {b}"))),
            Eq | Lt | Le => Ok(DType::Bool),
            _ => Ok(a),
        }
    }
}
