//! `map`: every elementwise operator, one or fused.

use super::check::{Inferred, broadcasts_to, list};
use super::tail::expression_type;
use crate::expr::Expr;
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, broadcast_dims};

/// Result layout: the layout of the blocked operands, if any.
pub(in crate::graph) fn infer(expr: &Expr, dims: &[usize], inputs: &[&TensorType]) -> Inferred {
    let mut result = dims.to_vec();
    for operand in inputs {
        result = broadcast_dims(&result, &operand.dims)
            .ok_or_else(|| format!("operands do not broadcast: dims {dims:?}, {}", list(inputs)))?;
    }
    let layout = inputs.iter().map(|t| t.layout).find(|l| *l != Layout::Plain).unwrap_or(Layout::Plain);
    for operand in inputs {
        broadcasts_to(operand, &result, layout)?;
    }
    let types: Vec<DType> = inputs.iter().map(|t| t.dtype).collect();
    let dtype = expression_type(expr, &types, result.len()).map_err(|e| format!("{e} (operands {})", list(inputs)))?;
    Ok(vec![TensorType { dtype, dims: result, layout }])
}
