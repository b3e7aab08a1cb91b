//! Removes operators that change nothing: identity maps, conversions to the same type, whole slices, empty pads,
//! concatenations of one operand, transposes that keep the order; merges reshapes of reshapes.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, ValueId};

/// The pass.
pub const PASS: Pass = Pass {
    name: "eliminate_identities",
    about: "removes operators that change nothing, merges reshapes",
    accuracy: Accuracy::Exact,
    run: eliminate_identities,
};

fn eliminate_identities(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        if is_identity(graph, node) {
            let new = rewriter.get(node.inputs[0]);
            rewriter.set(node.outputs[0], new);
            changed = true;
        } else if let Some(source) = reshaped_source(graph, node) {
            let input = rewriter.get(source);
            let ty = graph.ty(node.outputs[0]);
            let new = if graph.ty(source) == ty {
                input
            } else {
                rewriter.new.add_typed(&node.name, node.op.clone(), &[input], vec![ty.clone()], None)[0]
            };
            rewriter.set(node.outputs[0], new);
            changed = true;
        } else {
            rewriter.copy(id);
        }
    }
    changed.then(|| rewriter.finish())
}

fn is_identity(graph: &Graph, node: &Node) -> bool {
    let candidates = match &node.op {
        Op::Map { expr, .. } => expr.is_identity() && node.inputs.len() == 1,
        Op::Slice { starts, steps, .. } => starts.iter().all(|&s| s == 0) && steps.iter().all(|&s| s == 1),
        Op::Pad { begin, end, .. } => begin.iter().chain(end).all(|&p| p == 0),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Transpose { perm } => perm.iter().enumerate().all(|(k, &p)| k == p),
        Op::Reshape { .. } | Op::Broadcast { .. } | Op::Convert { .. } => true,
        _ => false,
    };
    candidates && graph.ty(node.inputs[0]) == graph.ty(node.outputs[0])
}

/// The operand of the first of the reshapes, one behind the other, that this reshape's operand comes from.
fn reshaped_source(graph: &Graph, node: &Node) -> Option<ValueId> {
    if node.candidate.is_some() || !matches!(node.op, Op::Reshape { .. }) {
        return None;
    }
    let mut source = node.inputs[0];
    while let Some(producer) = graph.producer(source).map(|p| graph.node(p))
        && matches!(producer.op, Op::Reshape { .. })
    {
        source = producer.inputs[0];
    }
    (source != node.inputs[0]).then_some(source)
}
