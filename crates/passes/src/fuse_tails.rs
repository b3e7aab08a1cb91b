//! A map behind a convolution, matrix product or normalisation becomes its tail: bias, residual addition, activation.
//!
//! The fused operator stands where the map stood, so that all tail operands are there. Of several producers that could
//! take the map in, the last one does: the others are computed by then.

use crate::expression::simplify;
use crate::{Pass, repeated};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::{Expr, ExprNode};
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, ValueId};

/// The pass.
pub const PASS: Pass = Pass {
    name: "fuse_tails",
    about: "bias, residual and activation are computed where a convolution or product stores",
    accuracy: Accuracy::Exact,
    run: fuse_tails,
};

/// A tail has at most this many operands and expression nodes.
const MAX_OPERANDS: usize = 6;
const MAX_NODES: usize = 64;

fn fuse_tails(graph: &Graph) -> Option<Graph> {
    repeated(graph, step)
}

fn step(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    let mut taken = vec![false; graph.nodes().count()];
    let mut into: Vec<Option<NodeId>> = vec![None; taken.len()];
    for (id, node) in graph.nodes() {
        let producers = node.inputs.iter().filter_map(|&v| fusible(graph, &users, id, node, v));
        if let Some(last) = producers.max() {
            into[id.0 as usize] = Some(last);
            taken[last.0 as usize] = true;
        }
    }
    if into.iter().all(Option::is_none) {
        return None;
    }
    let mut rewriter = Rewriter::new(graph);
    for (id, node) in graph.nodes() {
        match into[id.0 as usize] {
            _ if taken[id.0 as usize] => {}
            Some(producer) => fuse(&mut rewriter, graph, node, graph.node(producer)),
            None => rewriter.copy(id),
        }
    }
    Some(rewriter.finish())
}

/// The operator that makes an operand of a map, where it may take the map in.
fn fusible(graph: &Graph, users: &[Vec<NodeId>], id: NodeId, node: &Node, operand: ValueId) -> Option<NodeId> {
    let Op::Map { expr, .. } = &node.op else { return None };
    let producer = graph.producer(operand)?;
    let base = graph.node(producer);
    let (tail, fixed) = base.op.tail()?;
    let fits = graph.ty(operand) == graph.ty(node.outputs[0])
        && users[operand.0 as usize].iter().all(|&u| u == id)
        && !graph.is_output(operand);
    let small = base.inputs.len() - fixed + node.inputs.len() - 1 <= MAX_OPERANDS
        && tail.nodes().len() + expr.nodes().len() <= MAX_NODES;
    let plain = !expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(_)));
    let chosen = node.candidate.is_some() || base.candidate.is_some();
    (fits && small && plain && !chosen).then_some(producer)
}

fn fuse(rewriter: &mut Rewriter, graph: &Graph, node: &Node, base: &Node) {
    let (Op::Map { expr, .. }, Some((tail, fixed))) = (&node.op, base.op.tail()) else { return };
    let mut operands = base.inputs.clone();
    let mut parts = Vec::with_capacity(node.inputs.len());
    for &v in &node.inputs {
        if v == base.outputs[0] {
            parts.push(tail.clone());
            continue;
        }
        let at = operands[fixed..].iter().position(|&o| o == v).unwrap_or_else(|| {
            operands.push(v);
            operands.len() - fixed - 1
        });
        parts.push(Expr::input(at as u32 + 1));
    }
    let result = graph.ty(node.outputs[0]).clone();
    let types: Vec<_> =
        std::iter::once(result.dtype).chain(operands[fixed..].iter().map(|&v| graph.ty(v).dtype)).collect();
    let mut op = base.op.clone();
    if let Some(tail) = op.tail_mut() {
        *tail = simplify(&expr.compose(&parts), &types);
    }
    let inputs: Vec<ValueId> = operands.iter().map(|&v| rewriter.get(v)).collect();
    let name = if base.name == node.name { node.name.clone() } else { format!("{}+{}", base.name, node.name) };
    let new = rewriter.new.add_typed(&name, op, &inputs, vec![result], None)[0];
    rewriter.set(node.outputs[0], new);
}
