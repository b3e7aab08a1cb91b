//! Tails: what an operator does to each result element before the store (bias, residual, activation).

use crate::expression::emit_expr;
use crate::operand::{BroadcastOperand, Position, zero_tail_lanes};
use crate::{Operand, Region};
use cnnc_ir::expr::{Expr, ExprNode};
use cnnc_ir::graph::TensorType;
use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::Layout;

/// A tail in a kernel.
#[derive(Clone, Debug)]
pub struct Tail {
    expr: Expr,
    first: usize,
    operands: Vec<BroadcastOperand>,
    result: TensorType,
}

impl Tail {
    /// Declares the buffers of the tail operands of a region, in order.
    pub fn declare(b: &mut KernelBuilder, region: &Region) -> Tail {
        let (expr, first) = match region.op.tail() {
            Some((expr, first)) => (expr.clone(), first),
            None => (Expr::input(0), region.inputs.len()),
        };
        let result = region.outputs[0].clone();
        let operands = region.inputs[first..]
            .iter()
            .enumerate()
            .map(|(k, ty)| BroadcastOperand::declare(b, &format!("tail{k}"), ty, &result))
            .collect();
        Tail { expr, first, operands, result }
    }

    /// What the declared buffers are bound to, in order.
    pub fn operands(&self) -> Vec<Operand> {
        (0..self.operands.len()).map(|k| Operand::Input(self.first + k)).collect()
    }

    /// Lets the tail operands that have the result's type, dims and layout share its memory, for kernels that apply the
    /// tail to an element right before they store it. Returns which operands of the region these are.
    pub fn in_place(&self, b: &mut KernelBuilder, out: Buf) -> Vec<usize> {
        let same: Vec<usize> = (0..self.operands.len())
            .filter(|&k| self.operands[k].is_same() && b.dtype(self.operands[k].buffer()) == b.dtype(out))
            .collect();
        for &k in &same {
            b.may_alias(self.operands[k].buffer());
        }
        if !same.is_empty() {
            b.may_alias(out);
        }
        same.iter().map(|k| self.first + k).collect()
    }

    /// Whether a convolution's tail, by its operands or `Index` leaves, depends on where an element stands in its image:
    /// not so for operands of the result's own dims and layout, for scalars and for one value per channel.
    pub fn needs_coordinates(region: &Region) -> bool {
        Tail::depends_on(region, |axis| axis >= 2)
    }

    /// Whether a matrix product's tail depends on the row: not so for operands of the result's own dims and for one
    /// value per column.
    pub fn needs_rows(region: &Region) -> bool {
        let last = region.outputs[0].dims.len().saturating_sub(1);
        Tail::depends_on(region, |axis| axis != last)
    }

    fn depends_on(region: &Region, axis: impl Fn(usize) -> bool) -> bool {
        let Some((expr, first)) = region.op.tail() else { return false };
        let result = &region.outputs[0];
        let rank = result.dims.len();
        expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(k) if axis(*k as usize)))
            || region.inputs[first..].iter().any(|ty| {
                let same = ty.dims == result.dims && ty.layout == result.layout;
                let missing = rank - ty.dims.len().min(rank);
                !same && ty.dims.iter().enumerate().any(|(k, &d)| d != 1 && axis(k + missing))
            })
    }

    /// Whether every tail operand of a region can be read next to the result: blocked ones have the result's block, and
    /// plain ones beside a blocked result hold one element or one value per channel.
    pub fn is_readable(region: &Region) -> bool {
        let Some((_, first)) = region.op.tail() else { return true };
        let result = &region.outputs[0];
        region.inputs[first..].iter().all(|ty| match (ty.layout, result.layout) {
            (Layout::Plain, Layout::Plain) => true,
            (Layout::Blocked(a), Layout::Blocked(b)) => a == b && ty.dims.len() == result.dims.len(),
            (Layout::Blocked(_), Layout::Plain) => ty.dims == result.dims && ty.count() == 1,
            (Layout::Plain, Layout::Blocked(_)) => {
                let spatial = result.dims.len() - 2;
                let own: usize = ty.dims.iter().rev().skip(spatial).take(1).product();
                ty.count() == own
            }
        })
    }

    /// The tail of a vector of elements; tail lanes of a blocked result come out zero.
    pub fn apply(&self, b: &mut KernelBuilder, element: Val, at: &Position) -> Val {
        self.apply_with(b, element, at, &vec![None; self.operands.len()])
    }

    /// The operands that are the same all along a coordinate of the result, loaded once.
    pub fn load_fixed(&self, b: &mut KernelBuilder, at: &Position, along: usize) -> Vec<Option<Val>> {
        self.operands.iter().map(|o| (!o.varies_along(along)).then(|| o.load(b, at))).collect()
    }

    /// [`apply`](Tail::apply) with operands that were loaded before.
    pub fn apply_with(&self, b: &mut KernelBuilder, element: Val, at: &Position, fixed: &[Option<Val>]) -> Val {
        let mut inputs = vec![element];
        for (operand, fixed) in self.operands.iter().zip(fixed) {
            inputs.push(fixed.unwrap_or_else(|| operand.load(b, at)));
        }
        let lane_axis = crate::operand::lane_axis(&self.result);
        let value = emit_expr(b, &self.expr, &inputs, at.coords, lane_axis, at.lanes);
        if self.result.dims.len() < 2 { value } else { zero_tail_lanes(b, value, &self.result, at.coords[1]) }
    }
}
