//! A map with one user, itself a map of the same dims, becomes part of it: chains of elementwise operators are one
//! kernel.

use crate::expression::simplify;
use crate::{Pass, repeated};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::Expr;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, ValueId};

/// The pass.
pub const PASS: Pass = Pass {
    name: "fuse_maps",
    about: "fuses chains of elementwise operators",
    accuracy: Accuracy::Exact,
    run: fuse_maps,
};

/// A fused map has at most this many operands and expression nodes.
const MAX_OPERANDS: usize = 12;
const MAX_NODES: usize = 96;

fn fuse_maps(graph: &Graph) -> Option<Graph> {
    repeated(graph, step)
}

/// One round over the graph: each map takes in at most one other.
fn step(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    // Which map takes in which.
    let mut into = vec![None; graph.nodes().count()];
    let mut taken = vec![false; into.len()];
    for (id, node) in graph.nodes() {
        if taken[id.0 as usize] {
            continue;
        }
        let inner = node.inputs.iter().find_map(|&v| fusible(graph, &users, id, node, v));
        if let Some(inner) = inner.filter(|p| into[p.0 as usize].is_none() && !taken[p.0 as usize]) {
            into[id.0 as usize] = Some(inner);
            taken[inner.0 as usize] = true;
        }
    }
    if into.iter().all(Option::is_none) {
        return None;
    }
    let mut rewriter = Rewriter::new(graph);
    for (id, node) in graph.nodes() {
        match into[id.0 as usize] {
            _ if taken[id.0 as usize] => {}
            Some(inner) => fuse(&mut rewriter, graph, node, graph.node(inner)),
            None => rewriter.copy(id),
        }
    }
    Some(rewriter.finish())
}

/// The map that makes an operand, where the node may take it in.
fn fusible(graph: &Graph, users: &[Vec<NodeId>], id: NodeId, node: &Node, operand: ValueId) -> Option<NodeId> {
    let producer = graph.producer(operand)?;
    let inner = graph.node(producer);
    let (Op::Map { expr: outer, .. }, Op::Map { expr, .. }) = (&node.op, &inner.op) else { return None };
    let same_dims = graph.ty(operand).dims == graph.ty(node.outputs[0]).dims;
    let only_user = users[operand.0 as usize].iter().all(|&u| u == id) && !graph.is_output(operand);
    let small =
        node.inputs.len() + inner.inputs.len() <= MAX_OPERANDS && outer.nodes().len() + expr.nodes().len() <= MAX_NODES;
    let chosen = node.candidate.is_some() || inner.candidate.is_some();
    (same_dims && only_user && small && !chosen).then_some(producer)
}

fn fuse(rewriter: &mut Rewriter, graph: &Graph, node: &Node, inner: &Node) {
    let (Op::Map { expr: outer, .. }, Op::Map { expr, .. }) = (&node.op, &inner.op) else { return };
    let mut operands: Vec<ValueId> = Vec::new();
    for &v in node.inputs.iter().filter(|&&v| v != inner.outputs[0]).chain(&inner.inputs) {
        if !operands.contains(&v) {
            operands.push(v);
        }
    }
    let place = |v: ValueId| operands.iter().position(|&o| o == v).unwrap_or(0) as u32;
    let inner_expr = expr.renumber(|k| place(inner.inputs[k as usize]));
    let part = |&v: &ValueId| if v == inner.outputs[0] { inner_expr.clone() } else { Expr::input(place(v)) };
    let parts: Vec<Expr> = node.inputs.iter().map(part).collect();
    let types: Vec<_> = operands.iter().map(|&v| graph.ty(v).dtype).collect();
    let expr = simplify(&outer.compose(&parts), &types);
    let result = graph.ty(node.outputs[0]).clone();
    let inputs: Vec<ValueId> = operands.iter().map(|&v| rewriter.get(v)).collect();
    let name = format!("{}+{}", inner.name, node.name);
    let op = Op::Map { expr, dims: result.dims.clone() };
    let new = rewriter.new.add_typed(&name, op, &inputs, vec![result], None)[0];
    rewriter.set(node.outputs[0], new);
}
