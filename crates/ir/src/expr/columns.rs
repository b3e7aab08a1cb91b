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
    /// All of type f64.
    F64(Vec<f64>),
    /// Of any other type.
    Other(Vec<Scalar>),
}

impl Column {
    /// The value at a position.
    pub(crate) fn get(&self, k: usize) -> Scalar {
        match self {
            Column::F32(values) => Scalar::f32(values[k]),
            Column::F64(values) => Scalar::from_f64(DType::F64, values[k]),
            Column::Other(values) => values[k],
        }
    }

    fn constant(value: Scalar, len: usize) -> Column {
        match value.dtype() {
            DType::F32 => Column::F32(vec![value.to_f64() as f32; len]),
            DType::F64 => Column::F64(vec![value.to_f64(); len]),
            _ => Column::Other(vec![value; len]),
        }
    }

    /// A column made position by position; `dtype` is the type of every value.
    fn each(dtype: DType, len: usize, f: impl Fn(usize) -> Scalar) -> Column {
        match dtype {
            DType::F32 => Column::F32((0..len).map(|k| f(k).to_f64() as f32).collect()),
            DType::F64 => Column::F64((0..len).map(|k| f(k).to_f64()).collect()),
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
                (Column::F64(x), DType::F64) => Column::F64(x.iter().copied().map(unary_f64(op)).collect()),
                (x, _) => Column::each(dtype, len, |k| apply_unary(op, x.get(k))),
            },
            ExprNode::Binary(op, a, b) => match (at(a), at(b), compare_f64(op)) {
                (Column::F32(x), Column::F32(y), None) => {
                    let f = binary_f64(op);
                    Column::F32(x.iter().zip(y).map(|(&x, &y)| f(f64::from(x), f64::from(y)) as f32).collect())
                }
                (Column::F64(x), Column::F64(y), None) => {
                    let f = binary_f64(op);
                    Column::F64(x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect())
                }
                (x, y, _) => Column::each(dtype, len, |k| apply_binary(op, x.get(k), y.get(k))),
            },
            ExprNode::Select(c, a, b) => {
                let (c, a, b) = (at(c), at(a), at(b));
                Column::each(dtype, len, |k| if c.get(k).is_true() { a.get(k) } else { b.get(k) })
            }
            ExprNode::Cast(to, a) => match (at(a), to) {
                (Column::F32(x), DType::F64) => Column::F64(x.iter().map(|&x| f64::from(x)).collect()),
                (x, _) => Column::each(to, len, |k| convert(to, x.get(k))),
            },
        };
        columns.push(column);
    }
    columns.pop().unwrap_or(Column::Other(vec![]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{BinaryOp, UnaryOp, parse_expr};
    use proptest::prelude::*;

    /// Operands of `columns_agree`, by number: each of another type.
    const TYPES: [DType; 5] = [DType::F32, DType::F16, DType::I64, DType::U8, DType::F64];

    fn operand(k: usize, position: usize, seed: u64) -> Scalar {
        Scalar::from_bits(TYPES[k], (seed ^ k as u64).wrapping_mul(2 * position as u64 + 1).rotate_left(17))
    }

    proptest! {
        #[test]
        fn columns_agree_with_single_positions(seed: u64, unary in 0..UnaryOp::ALL.len(), binary in 0..BinaryOp::ALL.len()) {
            let (unary, binary) = (UnaryOp::ALL[unary].name(), BinaryOp::ALL[binary].name());
            let mut texts = vec![format!("select(le(#0, $2), $3, u8(#1))"), "f32(mul(i64($0), $2))".to_string(), "f64($0)".to_string()];
            for k in 0..TYPES.len() {
                texts.extend([format!("{unary}(${k})"), format!("{binary}(${k}, ${k})"), format!("{binary}({unary}(${k}), ${k})")]);
            }
            for text in texts {
                let expr = parse_expr(&text).unwrap();
                let Ok(types) = expr.node_types(&TYPES) else { continue };
                let input = |k: usize| Column::each(TYPES[k], 9, |at| operand(k, at, seed));
                let index = |axis: usize| Column::each(DType::I64, 9, |at| Scalar::i64((at * (axis + 1)) as i64));
                let columns = eval_columns(&expr, &types, 9, &input, &index);
                for at in 0..9 {
                    let inputs: Vec<Scalar> = (0..TYPES.len()).map(|k| operand(k, at, seed)).collect();
                    let single = expr.eval(&inputs, &[at as i64, 2 * at as i64]);
                    let nan = single.dtype().is_float() && single.to_f64().is_nan() && columns.get(at).to_f64().is_nan();
                    prop_assert!(nan || columns.get(at) == single, "{} at {}", text, at);
                }
            }
        }
    }
}
