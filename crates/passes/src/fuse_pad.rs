//! A constant pad of zeros over spatial axes becomes padding of the convolution behind it.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter};

/// The pass.
pub const PASS: Pass = Pass {
    name: "fuse_pad",
    about: "zero padding moves into the convolution behind it",
    accuracy: Accuracy::Exact,
    run: fuse_pad,
};

fn fuse_pad(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let Some((op, pad)) = padded(graph, node) else {
            rewriter.copy(id);
            continue;
        };
        let mut inputs = vec![rewriter.get(pad.inputs[0])];
        inputs.extend(node.inputs[1..].iter().map(|&v| rewriter.get(v)));
        let ty = graph.ty(node.outputs[0]).clone();
        let new = rewriter.new.add_typed(&node.name, op, &inputs, vec![ty], None)[0];
        rewriter.set(node.outputs[0], new);
        changed = true;
    }
    changed.then(|| rewriter.finish())
}

/// The convolution with the pad's amounts, and the pad before it.
fn padded<'a>(graph: &'a Graph, node: &Node) -> Option<(Op, &'a Node)> {
    if node.candidate.is_some() || !matches!(node.op, Op::Conv { .. }) {
        return None;
    }
    let pad = graph.node(graph.producer(node.inputs[0])?);
    let Op::Pad { mode: PadMode::Constant, begin, end } = &pad.op else { return None };
    let zero = match pad.inputs.get(1) {
        Some(&v) => graph.constant(v).is_some_and(|t| t.count() == 1 && !t.get(0).is_true()),
        None => true,
    };
    let spatial = begin[..2].iter().chain(&end[..2]).all(|&p| p == 0) && begin.iter().chain(end).all(|&p| p >= 0);
    if !zero || !spatial {
        return None;
    }
    let mut op = node.op.clone();
    if let Op::Conv { window, .. } = &mut op {
        window.pads_begin.iter_mut().zip(&begin[2..]).for_each(|(own, more)| *own += more.unsigned_abs());
        window.pads_end.iter_mut().zip(&end[2..]).for_each(|(own, more)| *own += more.unsigned_abs());
    }
    Some((op, pad))
}
