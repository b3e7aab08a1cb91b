//! The same network in double precision: what a compiled network is compared with.

use super::{Def, Graph, InferError, Node, Op, Output, TensorType, ValueId};
use crate::expr::{Expr, ExprBuilder, ExprNode, convert};
use cnnc_tensor::DType;

/// The graph with f64 for every f32 but its inputs: [`evaluate`](super::evaluate) on it takes the same inputs and gives
/// the outputs without the roundings of single precision. Weights are widened where they are used, so that no two
/// layers' are held in f64 at once. Operators that are defined on f32 alone get their operands rounded.
///
/// # Errors
/// Where the graph does not verify.
pub fn widened(graph: &Graph) -> Result<Graph, InferError> {
    let mut widening = Widening { old: graph, new: Graph::new(&graph.name), wide: vec![None; graph.values().count()] };
    for &input in graph.inputs() {
        let value = graph.value(input);
        let narrow = widening.new.add_input(value.name.as_deref().unwrap_or(""), value.ty.clone());
        widening.wide[input.0 as usize] = Some(cast(&mut widening.new, DType::F32, DType::F64, narrow)?);
    }
    for (_, node) in graph.nodes() {
        widening.node(node)?;
    }
    for output in &graph.outputs {
        let value = widening.get(output.value)?;
        let extent = output.extent.map(|v| widening.get(v)).transpose()?;
        widening.new.outputs.push(Output { name: output.name.clone(), value, extent });
    }
    Ok(widening.new)
}

struct Widening<'a> {
    old: &'a Graph,
    new: Graph,
    /// New values by old value; constants are not kept.
    wide: Vec<Option<ValueId>>,
}

impl Widening<'_> {
    fn get(&mut self, old: ValueId) -> Result<ValueId, InferError> {
        if let Some(new) = self.wide[old.0 as usize] {
            return Ok(new);
        }
        let constant = self.constant(old)?;
        cast(&mut self.new, DType::F32, DType::F64, constant)
    }

    fn constant(&mut self, old: ValueId) -> Result<ValueId, InferError> {
        let value = self.old.value(old);
        match &value.def {
            Def::Const(tensor) | Def::Param(tensor) => Ok(self.new.add_const(value.name.as_deref(), tensor.clone())),
            _ => Err(InferError { op: "graph", what: format!("value {} is used before it is made", old.0) }),
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), InferError> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for (k, &old) in node.inputs.iter().enumerate() {
            let input = match node.op {
                Op::Resize { .. } if k > 0 => self.constant(old)?,
                _ => self.get(old)?,
            };
            inputs.push(match node.op {
                Op::NonMaxSuppression { .. } => cast(&mut self.new, DType::F64, DType::F32, input)?,
                _ => input,
            });
        }
        let results = self.new.add(&node.name, widened_op(&node.op), &inputs)?;
        for (&old, new) in node.outputs.iter().zip(results) {
            if let Some(name) = &self.old.value(old).name {
                self.new.set_name(new, name);
            }
            self.wide[old.0 as usize] = Some(new);
        }
        Ok(())
    }
}

/// The value as `to` where it is of type `from`, in its own layout.
fn cast(graph: &mut Graph, from: DType, to: DType, value: ValueId) -> Result<ValueId, InferError> {
    let TensorType { dtype, .. } = *graph.ty(value);
    if dtype == from { graph.add1("precision", Op::cast(to), &[value]) } else { Ok(value) }
}

fn widened_op(op: &Op) -> Op {
    let mut op = op.clone();
    if let Op::Map { expr, .. } = &mut op {
        *expr = widened_expr(expr);
    } else if let Some(tail) = op.tail_mut() {
        *tail = widened_expr(tail);
    }
    if let Op::Separable { between, .. } = &mut op {
        *between = widened_expr(between);
    }
    op
}

fn widened_expr(expr: &Expr) -> Expr {
    let mut b = ExprBuilder::default();
    let result = b.append(expr, |b, node| match node {
        ExprNode::Const(value) if value.dtype() == DType::F32 => b.constant(convert(DType::F64, value)),
        ExprNode::Cast(DType::F32, a) => b.cast(DType::F64, a),
        other => b.push(other),
    });
    b.finish(result)
}
