//! Maps in canonical form: every operand once and used, scalar constants inside the expression, the expression
//! simplified. Tails of other operators likewise.

use crate::Pass;
use crate::expression::simplify;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::{Expr, ExprBuilder, ExprNode};
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, ValueId};
use cnnc_tensor::{DType, Layout, broadcast_dims};

/// The pass.
pub const PASS: Pass = Pass {
    name: "canonicalize_maps",
    about: "scalar constants move into expressions, unused and double operands go",
    accuracy: Accuracy::Exact,
    run: canonicalize_maps,
};

fn canonicalize_maps(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let (op, inputs) = match canonical(graph, node) {
            Some(rewritten) if node.candidate.is_none() => rewritten,
            _ => {
                rewriter.copy(id);
                continue;
            }
        };
        changed |= op != node.op || inputs != node.inputs;
        let inputs: Vec<ValueId> = inputs.iter().map(|&v| rewriter.get(v)).collect();
        let types = node.outputs.iter().map(|&v| graph.ty(v).clone()).collect();
        let outputs = rewriter.new.add_typed(&node.name, op, &inputs, types, None);
        for (&old, new) in node.outputs.iter().zip(outputs) {
            rewriter.set(old, new);
        }
    }
    changed.then(|| rewriter.finish())
}

/// The node's operator and operands in canonical form; `None` for operators without an expression.
fn canonical(graph: &Graph, node: &Node) -> Option<(Op, Vec<ValueId>)> {
    if let Op::Map { expr, .. } = &node.op {
        let (expr, inputs) = canonical_operands(graph, expr, &node.inputs, 0);
        let result = graph.ty(node.outputs[0]);
        // An operand may be there for its layout alone.
        if result.layout != Layout::Plain && inputs.iter().all(|&v| graph.ty(v).layout == Layout::Plain) {
            return None;
        }
        let reached = inputs.iter().try_fold(vec![], |dims, &v| broadcast_dims(&dims, &graph.ty(v).dims));
        let dims = if reached.as_ref() == Some(&result.dims) { vec![] } else { result.dims.clone() };
        return Some((Op::Map { expr, dims }, inputs));
    }
    let (tail, fixed) = node.op.tail()?;
    // In a tail `$0` is the operator's own result; the operands follow the fixed ones.
    let mut operands = vec![node.outputs[0]];
    operands.extend_from_slice(&node.inputs[fixed..]);
    let (tail, operands) = canonical_operands(graph, tail, &operands, 1);
    let mut op = node.op.clone();
    *op.tail_mut()? = tail;
    let inputs = node.inputs[..fixed].iter().copied().chain(operands[1..].iter().copied()).collect();
    Some((op, inputs))
}

/// The expression and its operands; the first `kept` operands stay in place.
fn canonical_operands(graph: &Graph, expr: &Expr, inputs: &[ValueId], kept: usize) -> (Expr, Vec<ValueId>) {
    let types: Vec<DType> = inputs.iter().map(|&v| graph.ty(v).dtype).collect();
    let mut b = ExprBuilder::default();
    let result = b.append(expr, |b, node| match node {
        ExprNode::Input(k) if k as usize >= kept => match graph.constant(inputs[k as usize]) {
            Some(tensor) if tensor.count() == 1 => b.constant(tensor.get(0)),
            _ => b.push(node),
        },
        other => b.push(other),
    });
    let expr = simplify(&b.finish(result), &types);
    let mut order: Vec<ValueId> = inputs[..kept].to_vec();
    for node in expr.nodes() {
        if let ExprNode::Input(k) = *node
            && k as usize >= kept
            && !order[kept..].contains(&inputs[k as usize])
        {
            order.push(inputs[k as usize]);
        }
    }
    let place = |k: u32| {
        let find = |v: &ValueId| *v == inputs[k as usize];
        if (k as usize) < kept { k } else { (kept + order[kept..].iter().position(find).unwrap_or(0)) as u32 }
    };
    (expr.renumber(place), order)
}
