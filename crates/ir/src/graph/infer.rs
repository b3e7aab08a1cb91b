//! Result types of operators.

use super::{Op, TensorType};

/// Why an operator does not take its operands.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{op}: {what}")]
pub struct InferError {
    /// Name of the operator.
    pub op: &'static str,
    /// What is wrong, with the shapes.
    pub what: String,
}

/// The result types of an operator on operands of those types.
pub fn infer(op: &Op, inputs: &[&TensorType]) -> Result<Vec<TensorType>, InferError> {
    let _ = inputs;
    Err(InferError { op: op.name(), what: "no inference yet".into() })
}
