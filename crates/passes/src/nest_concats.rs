//! A concatenation that begins with all operands of an earlier one takes that one's result instead (DenseNet): nested
//! concatenations can share one buffer.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Op, Rewriter, ValueId};

/// The pass.
pub const PASS: Pass = Pass {
    name: "nest_concats",
    about: "concatenations that grow an earlier one take its result",
    accuracy: Accuracy::Exact,
    run: nest_concats,
};

fn nest_concats(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    // Axis, operands and result of the concatenations so far, the longest last.
    let mut seen: Vec<(usize, Vec<ValueId>, ValueId)> = Vec::new();
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let (Op::Concat { axis }, None) = (&node.op, &node.candidate) else {
            rewriter.copy(id);
            continue;
        };
        let prefix = seen
            .iter()
            .filter(|(a, operands, _)| a == axis && operands.len() >= 2 && operands.len() < node.inputs.len())
            .filter(|(_, operands, _)| node.inputs.starts_with(operands))
            .max_by_key(|(_, operands, _)| operands.len());
        match prefix {
            Some((_, operands, result)) => {
                let mut inputs = vec![rewriter.get(*result)];
                inputs.extend(node.inputs[operands.len()..].iter().map(|&v| rewriter.get(v)));
                let ty = graph.ty(node.outputs[0]).clone();
                let new = rewriter.new.add_typed(&node.name, node.op.clone(), &inputs, vec![ty], None)[0];
                rewriter.set(node.outputs[0], new);
                changed = true;
            }
            None => rewriter.copy(id),
        }
        seen.push((*axis, node.inputs.clone(), node.outputs[0]));
    }
    changed.then(|| rewriter.finish())
}
