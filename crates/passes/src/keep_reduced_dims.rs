//! Reductions over spatial axes keep them as 1 and are reshaped afterwards, so that they can work in a blocked layout.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Op, Rewriter};

/// The pass.
pub const PASS: Pass = Pass {
    name: "keep_reduced_dims",
    about: "reductions keep their axes as 1, a reshape drops them",
    accuracy: Accuracy::Exact,
    run: keep_reduced_dims,
};

fn keep_reduced_dims(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let (Op::Reduce { kind, axes, keep_dims: false }, None) = (&node.op, &node.candidate) else {
            rewriter.copy(id);
            continue;
        };
        let input = rewriter.get(node.inputs[0]);
        let result = graph.ty(node.outputs[0]).clone();
        let mut kept = graph.ty(node.inputs[0]).clone();
        axes.iter().for_each(|&axis| kept.dims[axis] = 1);
        let op = Op::Reduce { kind: *kind, axes: axes.clone(), keep_dims: true };
        let reduced = rewriter.new.add_typed(&node.name, op, &[input], vec![kept], None)[0];
        let op = Op::Reshape { dims: result.dims.clone() };
        let new = rewriter.new.add_typed(&node.name, op, &[reduced], vec![result], None)[0];
        rewriter.set(node.outputs[0], new);
        changed = true;
    }
    changed.then(|| rewriter.finish())
}
