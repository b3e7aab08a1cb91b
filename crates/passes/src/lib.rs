//! Graph passes: graph in, graph out, no target in sight.
//!
//! A pass cannot fail: it rewrites or leaves alone. The pipeline is the list [`PIPELINE`]; a new pass is a file and a
//! line there.

mod absorb_shuffles;
mod affine;
mod canonicalize_maps;
mod eliminate_common_subexpressions;
mod eliminate_identities;
mod expression;
mod fold_constants;
mod fold_input_scale;
mod fold_scale;
mod fuse_layer_norm;
mod fuse_maps;
mod fuse_pad;
mod fuse_tails;
mod keep_reduced_dims;
mod merge_slices;
mod merge_transposes;
mod nest_concats;
mod sink_reshapes;
mod sink_transposes;

use cnnc_ir::Accuracy;
use cnnc_ir::graph::Graph;

/// A pass.
#[derive(Debug)]
pub struct Pass {
    /// Name: of the file, the function, the flag and the dump.
    pub name: &'static str,
    /// What it does, in one line, for `cnnc list`.
    pub about: &'static str,
    /// What it does to the numbers.
    pub accuracy: Accuracy,
    /// The rewritten graph, or `None` where there was nothing to do.
    pub run: fn(&Graph) -> Option<Graph>,
}

/// The passes, in the order they run. A pass may stand more than once.
pub const PIPELINE: &[&Pass] = &[
    &fold_constants::PASS,
    &eliminate_identities::PASS,
    &canonicalize_maps::PASS,
    &merge_slices::PASS,
    &merge_transposes::PASS,
    &keep_reduced_dims::PASS,
    &sink_transposes::PASS,
    &eliminate_common_subexpressions::PASS,
    &fuse_pad::PASS,
    &fuse_maps::PASS,
    &fuse_layer_norm::PASS,
    &fold_input_scale::PASS,
    &sink_reshapes::PASS,
    &fuse_tails::PASS,
    &absorb_shuffles::PASS,
    &fold_scale::PASS,
    &fold_constants::PASS,
    &canonicalize_maps::PASS,
    &eliminate_identities::PASS,
    &eliminate_common_subexpressions::PASS,
    &nest_concats::PASS,
];

/// Takes a step as long as it changes something; the graph after the last one that did.
fn repeated(graph: &Graph, step: fn(&Graph) -> Option<Graph>) -> Option<Graph> {
    let mut changed = step(graph)?;
    while let Some(next) = step(&changed) {
        changed = next;
    }
    Some(changed)
}

/// The pipeline runs at most so often.
const MAX_ROUNDS: usize = 4;

/// Runs the pipeline until a round changes nothing (a late pass may make work for an early one); `observe` sees each
/// pass's name and, where the pass changed something, the graph after it. `Approximate` passes are left out.
pub fn optimize(graph: Graph, observe: &mut dyn FnMut(&str, Option<&Graph>)) -> Graph {
    let mut graph = graph.without_dead();
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for pass in PIPELINE.iter().filter(|p| p.accuracy != Accuracy::Approximate) {
            let rewritten = (pass.run)(&graph);
            tracing::debug!(pass = pass.name, changed = rewritten.is_some(), "pass");
            observe(pass.name, rewritten.as_ref());
            changed |= rewritten.is_some();
            graph = rewritten.unwrap_or(graph);
        }
        if !changed {
            break;
        }
    }
    graph
}

/// The pass of that name.
pub fn find(name: &str) -> Option<&'static Pass> {
    PIPELINE.iter().copied().find(|p| p.name == name)
}
