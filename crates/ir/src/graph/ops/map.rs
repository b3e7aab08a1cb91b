//! `map`: every elementwise operator, one or fused.

use super::check::{Inferred, broadcasts_to, list};
use super::number::Evaluated;
use super::tail::expression_type;
use crate::expr::{Column, Expr, eval_columns};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, Scalar, Tensor, broadcast_dims};
use std::borrow::Cow;

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

/// Positions evaluated at once: few enough for the columns to stay in the cache.
const CHUNK: usize = 4096;

/// Plain operands; `ty` is the result type.
pub(in crate::graph) fn eval(expr: &Expr, inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let dtypes: Vec<DType> = inputs.iter().map(|t| t.dtype()).collect();
    let types = expr.node_types(&dtypes).map_err(|e| e.to_string())?;
    let operands: Vec<Cow<Tensor>> = inputs.iter().map(|t| spread(t, &ty.dims)).collect::<Result<_, _>>()?;
    let strides = cnnc_tensor::row_major_strides(&ty.dims);
    let mut out = super::number::zeros(ty)?;
    let count = out.count();
    for start in (0..count).step_by(CHUNK) {
        let end = count.min(start + CHUNK);
        let input = |k: usize| match operands.get(k) {
            Some(operand) => column(operand, start, end),
            None => Column::Other(vec![]),
        };
        let index = |axis: usize| {
            let coordinate = |at: usize| Scalar::i64((at / strides[axis] % ty.dims[axis]) as i64);
            Column::Other((start..end).map(coordinate).collect())
        };
        let values = eval_columns(expr, &types, end - start, &input, &index);
        match (values, out.as_slice_mut::<f32>()) {
            (Column::F32(values), Some(out)) => out[start..end].copy_from_slice(&values),
            (values, _) => (start..end).for_each(|at| out.set(at, values.get(at - start))),
        }
    }
    Ok(vec![out])
}

/// The operand, repeated to the result's dims; one element stays one element.
fn spread<'a>(operand: &'a Tensor, dims: &[usize]) -> Result<Cow<'a, Tensor>, String> {
    if operand.dims() == dims || operand.count() == 1 {
        return Ok(Cow::Borrowed(operand));
    }
    Ok(Cow::Owned(super::broadcast::repeat(operand, dims)?))
}

fn column(operand: &Tensor, start: usize, end: usize) -> Column {
    let single = operand.count() == 1;
    match operand.as_slice::<f32>() {
        Some(values) if single => Column::F32(vec![values[0]; end - start]),
        Some(values) => Column::F32(values[start..end].to_vec()),
        None if single => Column::Other(vec![operand.get(0); end - start]),
        None => Column::Other((start..end).map(|at| operand.get(at)).collect()),
    }
}
