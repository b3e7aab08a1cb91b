//! The Reduce operators: one core reduction with elementwise steps before and after.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::{Node, axes_of};
use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::{DType, Scalar};

/// Axes as an attribute (up to opset 17; ReduceSum up to 12).
pub fn reduce_1(cx: &mut Context, node: &Node) -> Results {
    let axes = node.opt_ints("axes")?;
    reduce(cx, node, axes, false)
}

/// Axes as an optional operand.
pub fn reduce_18(cx: &mut Context, node: &Node) -> Results {
    let axes = node.optional_ints_input(cx, 1, "axes")?;
    let noop = node.flag("noop_with_empty_axes", false)?;
    reduce(cx, node, axes, noop)
}

fn reduce(cx: &mut Context, node: &Node, axes: Option<Vec<i64>>, noop_if_empty: bool) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let axes = match axes.filter(|a| !a.is_empty()) {
        Some(axes) => axes_of(&axes, rank)?,
        None if noop_if_empty => vec![],
        None => (0..rank).collect(),
    };
    let over = Over { axes, keep_dims: node.flag("keepdims", true)? };
    let dtype = cx.dtype(x);
    let result = match node.op {
        "ReduceMean" => over.reduce(cx, ReduceKind::Mean, x)?,
        "ReduceSum" => over.reduce(cx, ReduceKind::Sum, x)?,
        "ReduceProd" => over.reduce(cx, ReduceKind::Prod, x)?,
        "ReduceMax" => over.extreme(cx, ReduceKind::Max, x)?,
        "ReduceMin" => over.extreme(cx, ReduceKind::Min, x)?,
        "ReduceL1" => {
            let size = if is_unsigned(dtype) { x } else { cx.unary(UnaryOp::Abs, x)? };
            over.reduce(cx, ReduceKind::Sum, size)?
        }
        "ReduceSumSquare" => {
            let square = cx.binary(BinaryOp::Mul, x, x)?;
            over.reduce(cx, ReduceKind::Sum, square)?
        }
        "ReduceL2" => {
            let square = cx.binary(BinaryOp::Mul, x, x)?;
            let sum = over.reduce(cx, ReduceKind::Sum, square)?;
            as_float(cx, sum, UnaryOp::Sqrt)?
        }
        "ReduceLogSum" => {
            let sum = over.reduce(cx, ReduceKind::Sum, x)?;
            as_float(cx, sum, UnaryOp::Log)?
        }
        "ReduceLogSumExp" => over.log_sum_exp(cx, x)?,
        other => return invalid(format!("{other} is no reduction")),
    };
    Ok(vec![result])
}

fn is_unsigned(dtype: DType) -> bool {
    dtype.is_int() && !dtype.is_signed_int()
}

/// A function of floats applied to any type: integers are converted and truncated back.
fn as_float(cx: &mut Context, x: ValueId, op: UnaryOp) -> Result<ValueId, Reason> {
    let dtype = cx.dtype(x);
    if dtype.is_float() {
        return cx.unary(op, x);
    }
    cx.map(&[x], |b, v| {
        let float = b.cast(DType::F64, v[0]);
        let result = b.unary(op, float);
        b.cast(dtype, result)
    })
}

/// What is reduced.
struct Over {
    axes: Vec<usize>,
    keep_dims: bool,
}

impl Over {
    fn reduce(&self, cx: &mut Context, kind: ReduceKind, x: ValueId) -> Result<ValueId, Reason> {
        if self.axes.is_empty() {
            return Ok(x);
        }
        cx.add1(Op::Reduce { kind, axes: self.axes.clone(), keep_dims: self.keep_dims }, &[x])
    }

    /// Max or min, also of bool: these are 0 and 1.
    fn extreme(&self, cx: &mut Context, kind: ReduceKind, x: ValueId) -> Result<ValueId, Reason> {
        if cx.dtype(x) != DType::Bool {
            return self.reduce(cx, kind, x);
        }
        let number = cx.cast(DType::U8, x)?;
        let result = self.reduce(cx, kind, number)?;
        cx.cast(DType::Bool, result)
    }

    /// `m + log(sum(e^(x - m)))` with m the maximum, or 0 where that is infinite.
    fn log_sum_exp(&self, cx: &mut Context, x: ValueId) -> Result<ValueId, Reason> {
        let dtype = cx.dtype(x);
        if !dtype.is_float() {
            return invalid(format!("the operand must be of a float type, not {dtype}"));
        }
        let largest = Over { axes: self.axes.clone(), keep_dims: true }.reduce(cx, ReduceKind::Max, x)?;
        let zero = Scalar::from_f64(dtype, 0.0);
        let shift = cx.map(&[largest], |b, v| {
            let (infinite, zero) = (b.unary(UnaryOp::IsInf, v[0]), b.constant(zero));
            b.select(infinite, zero, v[0])
        })?;
        let exp = cx.map(&[x, shift], |b, v| {
            let less = b.binary(BinaryOp::Sub, v[0], v[1]);
            b.unary(UnaryOp::Exp, less)
        })?;
        let sum = self.reduce(cx, ReduceKind::Sum, exp)?;
        let dims = cx.dims(sum);
        let shift = cx.reshape(shift, &dims)?;
        cx.map(&[sum, shift], |b, v| {
            let log = b.unary(UnaryOp::Log, v[0]);
            b.binary(BinaryOp::Add, log, v[1])
        })
    }
}
