//! Tails: inference of the result type behind a tail, and its evaluation.

use super::check::{broadcasts_to, list};
use super::number::Evaluated;
use crate::expr::{Expr, ExprNode};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, Tensor};

/// The type of a result of those dims after its tail. `accumulator` is the type of `$0`.
pub(super) fn infer(
    tail: &Expr,
    accumulator: DType,
    dims: &[usize],
    layout: Layout,
    operands: &[&TensorType],
) -> Result<TensorType, String> {
    for operand in operands {
        broadcasts_to(operand, dims, layout).map_err(|e| format!("tail {e}"))?;
    }
    let mut types = vec![accumulator];
    types.extend(operands.iter().map(|t| t.dtype));
    let dtype = expression_type(tail, &types, dims.len())
        .map_err(|e| format!("tail: {e} (operands {accumulator}, {})", list(operands)))?;
    Ok(TensorType { dtype, dims: dims.to_vec(), layout })
}

/// The type of an expression over operands of those types, for a result of that rank.
pub(super) fn expression_type(expr: &Expr, types: &[DType], rank: usize) -> Result<DType, String> {
    for node in expr.nodes() {
        match *node {
            ExprNode::Index(axis) if axis as usize >= rank => {
                return Err(format!("expression reads coordinate {axis} of a result of rank {rank}"));
            }
            _ => {}
        }
    }
    expr.result_type(types).map_err(|e| e.to_string())
}

/// Applies a tail to a plain result of its accumulator's type; `ty` is the type behind the tail.
pub(super) fn apply(tail: &Expr, accumulator: Tensor, operands: &[&Tensor], ty: &TensorType) -> Evaluated {
    if tail.is_identity() {
        return Ok(vec![accumulator]);
    }
    let mut inputs = vec![&accumulator];
    inputs.extend(operands);
    super::map::eval(tail, &inputs, ty)
}
