//! Transposes of transposes become one, transposes that move only axes of size 1 become reshapes, and a transpose
//! before a map of one operand moves behind it, where it can meet its inverse.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, TensorType};

/// The pass.
pub const PASS: Pass = Pass {
    name: "merge_transposes",
    about: "merges transposes, also across maps, and drops those that undo each other",
    accuracy: Accuracy::Exact,
    run: merge_transposes,
};

fn merge_transposes(graph: &Graph) -> Option<Graph> {
    let mut changed = None;
    // A transpose goes behind a map only when it has met all transposes before the map.
    while let Some(next) = {
        let graph = changed.as_ref().unwrap_or(graph);
        step(graph, false).or_else(|| step(graph, true))
    } {
        changed = Some(next);
    }
    changed
}

/// One round over the graph: merges, or moves transposes behind maps.
fn step(graph: &Graph, move_behind_maps: bool) -> Option<Graph> {
    let users = graph.users();
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let result = graph.ty(node.outputs[0]).clone();
        let source = node.inputs.first().and_then(|&v| graph.producer(v)).map(|p| graph.node(p));
        let inner = source.filter(|n| matches!(n.op, Op::Transpose { .. }));
        if node.candidate.is_some() {
            rewriter.copy(id);
            continue;
        }
        let rewritten = match (&node.op, inner) {
            (Op::Transpose { perm }, _) if perm.iter().enumerate().all(|(k, &p)| k == p) => {
                Some(rewriter.get(node.inputs[0]))
            }
            (Op::Transpose { perm }, _) if keeps_order(perm, &graph.ty(node.inputs[0]).dims) => {
                let input = rewriter.get(node.inputs[0]);
                let op = Op::Reshape { dims: result.dims.clone() };
                Some(rewriter.new.add_typed(&node.name, op, &[input], vec![result], None)[0])
            }
            (Op::Transpose { perm }, Some(Node { op: Op::Transpose { perm: first }, inputs, .. })) => {
                let input = rewriter.get(inputs[0]);
                let op = Op::Transpose { perm: perm.iter().map(|&p| first[p]).collect() };
                Some(rewriter.new.add_typed(&node.name, op, &[input], vec![result], None)[0])
            }
            (Op::Map { expr, dims }, Some(transpose))
                if move_behind_maps
                    && node.inputs.len() == 1
                    && dims.is_empty()
                    && users[node.inputs[0].0 as usize].len() == 1
                    && !graph.is_output(node.inputs[0])
                    && !expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(_))) =>
            {
                let input = rewriter.get(transpose.inputs[0]);
                let ty = TensorType { dtype: result.dtype, ..graph.ty(transpose.inputs[0]).clone() };
                let mapped = rewriter.new.add_typed(&node.name, node.op.clone(), &[input], vec![ty], None)[0];
                let op = transpose.op.clone();
                Some(rewriter.new.add_typed(&transpose.name, op, &[mapped], vec![result], None)[0])
            }
            _ => None,
        };
        match rewritten {
            Some(new) => {
                rewriter.set(node.outputs[0], new);
                changed = true;
            }
            None => rewriter.copy(id),
        }
    }
    changed.then(|| rewriter.finish())
}

/// Whether a permutation leaves the axes larger than 1 in their order.
pub(crate) fn keeps_order(perm: &[usize], dims: &[usize]) -> bool {
    let moved: Vec<usize> = perm.iter().copied().filter(|&p| dims[p] != 1).collect();
    moved.is_sorted()
}
