//! Tails: what an operator does to each result element before the store (bias, residual, activation).

use crate::expression::emit_expr;
use crate::operand::{BroadcastOperand, Position, zero_tail_lanes};
use crate::{Operand, Region};
use cnnc_ir::expr::Expr;
use cnnc_ir::graph::TensorType;
use cnnc_ir::kernel::{KernelBuilder, Val};

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

    /// The tail of a vector of elements; tail lanes of a blocked result come out zero.
    pub fn apply(&self, b: &mut KernelBuilder, element: Val, at: &Position) -> Val {
        let mut inputs = vec![element];
        inputs.extend(self.operands.iter().map(|o| o.load(b, at)));
        let lane_axis = crate::operand::lane_axis(&self.result);
        let value = emit_expr(b, &self.expr, &inputs, at.coords, lane_axis, at.lanes);
        if self.result.dims.len() < 2 { value } else { zero_tail_lanes(b, value, &self.result, at.coords[1]) }
    }
}
