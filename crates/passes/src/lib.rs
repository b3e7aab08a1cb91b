//! Graph passes: graph in, graph out, no target in sight.
//!
//! A pass cannot fail: it rewrites or leaves alone. The pipeline is the list [`PIPELINE`].

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

/// The passes, in the order they run.
pub const PIPELINE: &[Pass] = &[];

/// Runs the pipeline; `observe` sees each pass's name and, where the pass changed something, the graph after it.
/// `Approximate` passes are left out.
pub fn optimize(graph: Graph, observe: &mut dyn FnMut(&str, Option<&Graph>)) -> Graph {
    let mut graph = graph;
    for pass in PIPELINE.iter().filter(|p| p.accuracy != Accuracy::Approximate) {
        let changed = (pass.run)(&graph);
        observe(pass.name, changed.as_ref());
        graph = changed.unwrap_or(graph);
    }
    graph
}
