//! Reference evaluation: slow, plain, obviously right.

use super::{Graph, Op};
use cnnc_tensor::Tensor;

/// Why an evaluation failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{op}: {what}")]
pub struct EvalError {
    /// Name of the operator.
    pub op: String,
    /// What is wrong.
    pub what: String,
}

/// Evaluates one operator. Floats are computed in f64 and rounded once to the result's type; integers wrap.
pub fn eval_op(op: &Op, inputs: &[&Tensor]) -> Result<Vec<Tensor>, EvalError> {
    let _ = inputs;
    Err(EvalError { op: op.name().into(), what: "no evaluation yet".into() })
}

/// Evaluates a graph on its inputs, in order; returns the outputs, in order, cut to their extents.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
    let _ = (graph, inputs);
    Err(EvalError { op: "graph".into(), what: "no evaluation yet".into() })
}
