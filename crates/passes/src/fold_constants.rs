//! Constant folding: a node whose operands are all constants becomes its results.
//!
//! Parameters count as constants. Results much larger than their operands (a broadcast of a scalar) are left to run
//! time.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Rewriter, eval_op};
use cnnc_tensor::Tensor;

/// The pass.
pub const PASS: Pass = Pass {
    name: "fold_constants",
    about: "computes nodes whose operands are constants",
    accuracy: Accuracy::Exact,
    run: fold_constants,
};

/// Results up to this size are always folded; larger ones only if the operands are as large.
const SMALL: usize = 1 << 20;

fn fold_constants(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let inputs: Vec<_> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
        let constants: Option<Vec<&Tensor>> = inputs.iter().map(|&v| rewriter.new.constant(v)).collect();
        let results = constants.and_then(|operands| {
            let taken: usize = operands.iter().map(|t| t.bytes().len()).sum();
            let made: usize = node.outputs.iter().map(|&v| graph.ty(v).bytes()).sum();
            if node.candidate.is_some() || made > SMALL.max(taken) {
                return None;
            }
            eval_op(&node.op, &operands).ok()
        });
        let Some(results) = results else {
            rewriter.copy(id);
            continue;
        };
        for (&old, tensor) in node.outputs.iter().zip(results) {
            let name = graph.value(old).name.as_deref();
            let new = rewriter.new.add_const(name, tensor);
            rewriter.set(old, new);
        }
        changed = true;
    }
    changed.then(|| rewriter.finish())
}
