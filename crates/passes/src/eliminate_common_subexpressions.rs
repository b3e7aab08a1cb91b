//! Common subexpressions: of nodes with the same operator and operands one is kept; equal small constants are one.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Graph, Op, Rewriter, TensorType, ValueId};
use std::collections::HashMap;

/// The pass.
pub const PASS: Pass = Pass {
    name: "eliminate_common_subexpressions",
    about: "keeps one of several equal nodes",
    accuracy: Accuracy::Exact,
    run: eliminate_common_subexpressions,
};

/// Constants up to this many bytes are compared by content.
const COMPARED_BYTES: usize = 1 << 16;

/// What makes two nodes the same. A chosen node's result types do not follow from the rest.
type Key = (Op, Vec<ValueId>, Option<Candidate>, Vec<TensorType>);

fn eliminate_common_subexpressions(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut constants: HashMap<u128, ValueId> = HashMap::new();
    let mut seen: HashMap<Key, Vec<ValueId>> = HashMap::new();
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let inputs: Vec<ValueId> = node
            .inputs
            .iter()
            .map(|&v| match graph.constant(v) {
                Some(tensor) if tensor.bytes().len() <= COMPARED_BYTES => {
                    let first = *constants.entry(tensor.content_hash()).or_insert(v);
                    changed |= first != v && !rewriter.has(v);
                    let new = rewriter.get(first);
                    rewriter.set(v, new);
                    new
                }
                _ => rewriter.get(v),
            })
            .collect();
        let types = node.outputs.iter().map(|&v| graph.ty(v).clone()).collect();
        let key = (node.op.clone(), inputs, node.candidate.clone(), types);
        if let Some(outputs) = seen.get(&key) {
            for (&old, &new) in node.outputs.iter().zip(outputs) {
                rewriter.set(old, new);
            }
            changed = true;
        } else {
            rewriter.copy(id);
            seen.insert(key, node.outputs.iter().map(|&v| rewriter.get(v)).collect());
        }
    }
    changed.then(|| rewriter.finish())
}
