//! Evaluation of an expression on many positions at once: the same values as [`Expr::eval`](super::Expr::eval), with
//! the choice of the operation taken out of the loop.

use super::eval::{binary_f64, compare_f64, unary_f64};
use super::{Expr, ExprNode, apply_binary, apply_unary, convert};
use cnnc_tensor::{DType, Scalar};

/// The values of one node at consecutive positions.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// All of type f32.
    F32(Vec<f32>),
    /// Of any other type.
    Other(Vec<Scalar>),
}

impl Column {
    /// The value at a position.
    pub(crate) fn get(&self, k: usize) -> Scalar {
        match self {
            Column::F32(values) => Scalar::f32(values[k]),
            Column::Other(values) => values[k],
        }
    }

    fn constant(value: Scalar, len: usize) -> Column {
        match value.dtype() {
            DType::F32 => Column::F32(vec![value.to_f64() as f32; len]),
            _ => Column::Other(vec![value; len]),
        }
    }

    /// A column made position by position; `dtype` is the type of every value.
    fn each(dtype: DType, len: usize, f: impl Fn(usize) -> Scalar) -> Column {
        match dtype {
            DType::F32 => Column::F32((0..len).map(|k| f(k).to_f64() as f32).collect()),
            _ => Column::Other((0..len).map(f).collect()),
        }
    }
}

/// The expression's values at `len` positions. `types` are the node types, `input(k)` and `index(axis)` the leaves.
pub(crate) fn eval_columns(
    expr: &Expr,
    types: &[DType],
    len: usize,
    input: &dyn Fn(usize) -> Column,
    index: &dyn Fn(usize) -> Column,
) -> Column {
    let mut columns: Vec<Column> = Vec::with_capacity(types.len());
    for (node, &dtype) in expr.nodes().iter().zip(types) {
        let at = |id: super::ExprId| &columns[id.0 as usize];
        let column = match *node {
            ExprNode::Input(k) => input(k as usize),
            ExprNode::Index(axis) => index(axis as usize),
            ExprNode::Const(value) => Column::constant(value, len),
            ExprNode::Unary(op, a) => match (at(a), dtype) {
                (Column::F32(x), DType::F32) => {
                    let f = unary_f64(op);
                    Column::F32(x.iter().map(|&x| f(f64::from(x)) as f32).collect())
                }
                (x, _) => Column::each(dtype, len, |k| apply_unary(op, x.get(k))),
            },
            ExprNode::Binary(op, a, b) => match (at(a), at(b), compare_f64(op)) {
                (Column::F32(x), Column::F32(y), None) => {
                    let f = binary_f64(op);
                    Column::F32(x.iter().zip(y).map(|(&x, &y)| f(f64::from(x), f64::from(y)) as f32).collect())
                }
                (x, y, _) => Column::each(dtype, len, |k| apply_binary(op, x.get(k), y.get(k))),
            },
            ExprNode::Select(c, a, b) => {
                let (c, a, b) = (at(c), at(a), at(b));
                Column::each(dtype, len, |k| if c.get(k).is_true() { a.get(k) } else { b.get(k) })
            }
            ExprNode::Cast(to, a) => {
                let x = at(a);
                Column::each(to, len, |k| convert(to, x.get(k)))
            }
        };
        columns.push(column);
    }
    columns.pop().unwrap_or(Column::Other(vec![]))
}
