//! `map`: every elementwise operator, one or fused.

use super::check::{Inferred, broadcasts_to, list};
use super::number::Evaluated;
use super::tail::expression_type;
use crate::expr::{Column, Expr, eval_columns};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Element, Layout, Scalar, Tensor, broadcast_dims};
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
    let values = |start: usize, end: usize| {
        let input = |k: usize| match operands.get(k) {
            Some(operand) => column(operand, start, end),
            None => Column::Other(vec![]),
        };
        let index = |axis: usize| {
            let coordinate = |at: usize| Scalar::i64((at / strides[axis] % ty.dims[axis]) as i64);
            Column::Other((start..end).map(coordinate).collect())
        };
        eval_columns(expr, &types, end - start, &input, &index)
    };
    let mut out = super::number::zeros(ty)?;
    let count = out.count();
    for start in (0..count).step_by(CHUNK) {
        let end = count.min(start + CHUNK);
        match values(start, end) {
            Column::F32(values) => store(&mut out, start, &values),
            Column::F64(values) => store(&mut out, start, &values),
            Column::Other(values) => (start..).zip(values).for_each(|(at, value)| out.set(at, value)),
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

fn store<T: Element>(out: &mut Tensor, start: usize, values: &[T]) {
    if let Some(out) = out.as_slice_mut::<T>() {
        out[start..start + values.len()].copy_from_slice(values);
    }
}

fn column(operand: &Tensor, start: usize, end: usize) -> Column {
    if let Some(values) = operand.as_slice::<f32>() {
        return Column::F32(part(values, start, end));
    }
    if let Some(values) = operand.as_slice::<f64>() {
        return Column::F64(part(values, start, end));
    }
    match operand.count() {
        1 => Column::Other(vec![operand.get(0); end - start]),
        _ => Column::Other((start..end).map(|at| operand.get(at)).collect()),
    }
}

fn part<T: Copy>(values: &[T], start: usize, end: usize) -> Vec<T> {
    if let [single] = values { vec![*single; end - start] } else { values[start..end].to_vec() }
}
