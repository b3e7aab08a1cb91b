//! A reshape between a convolution, matrix product or normalisation and a map moves behind the map, so that the map can
//! become the operator's tail. The map's other operands are reshaped in turn, which moves nothing in memory.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, TensorType, ValueId};
use cnnc_tensor::Layout;

/// The pass.
pub const PASS: Pass = Pass {
    name: "sink_reshapes",
    about: "a reshape before a map moves behind it, where the map can become a tail",
    accuracy: Accuracy::Exact,
    run: sink_reshapes,
};

fn sink_reshapes(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let place = (0..node.inputs.len()).find(|&k| may_sink(graph, &users, id, node, node.inputs[k]));
        let Some((place, operands)) = place.and_then(|k| Some((k, operands(graph, node, k)?))) else {
            rewriter.copy(id);
            continue;
        };
        let reshape = producer(graph, node.inputs[place]).map_or("", |n| n.name.as_str());
        let inputs: Vec<ValueId> = operands
            .into_iter()
            .map(|(old, dims)| {
                let new = rewriter.get(old);
                if graph.ty(old).dims == dims {
                    return new;
                }
                let ty = TensorType { dims: dims.clone(), ..graph.ty(old).clone() };
                rewriter.new.add_typed(&node.name, Op::Reshape { dims }, &[new], vec![ty], None)[0]
            })
            .collect();
        let result = graph.ty(node.outputs[0]).clone();
        let ty = TensorType { dims: rewriter.new.ty(inputs[place]).dims.clone(), ..result.clone() };
        let mapped = rewriter.new.add_typed(&node.name, node.op.clone(), &inputs, vec![ty], None)[0];
        let op = Op::Reshape { dims: result.dims.clone() };
        let new = rewriter.new.add_typed(reshape, op, &[mapped], vec![result], None)[0];
        rewriter.set(node.outputs[0], new);
        changed = true;
    }
    changed.then(|| rewriter.finish())
}

fn producer(graph: &Graph, value: ValueId) -> Option<&Node> {
    graph.producer(value).map(|p| graph.node(p))
}

/// Whether an operand of a map is an operator's reshaped result that only the map needs.
fn may_sink(graph: &Graph, users: &[Vec<NodeId>], id: NodeId, node: &Node, operand: ValueId) -> bool {
    let (Op::Map { expr, dims }, None) = (&node.op, &node.candidate) else { return false };
    let only = |v: ValueId, user: NodeId| users[v.0 as usize].iter().all(|&u| u == user) && !graph.is_output(v);
    let Some(reshape) = graph.producer(operand).map(|p| (p, graph.node(p))) else { return false };
    let source = reshape.1.inputs.first().copied();
    let from_tailed = source.is_some_and(|v| {
        let tailed = producer(graph, v).is_some_and(|n| n.op.tail().is_some() && n.candidate.is_none());
        // A tail keeps the element type.
        tailed && only(v, reshape.0) && graph.ty(v).dtype == graph.ty(node.outputs[0]).dtype
    });
    matches!(reshape.1.op, Op::Reshape { .. })
        && reshape.1.candidate.is_none()
        && from_tailed
        && only(operand, id)
        && dims.is_empty()
        && graph.ty(operand).dims == graph.ty(node.outputs[0]).dims
        && !expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(_)))
}

/// For each operand of the map: what it is reshaped from, and to which dims, so that all fit the operand at `place`
/// before its reshape.
fn operands(graph: &Graph, node: &Node, place: usize) -> Option<Vec<(ValueId, Vec<usize>)>> {
    let source = producer(graph, node.inputs[place])?.inputs[0];
    let (new, old) = (&graph.ty(source).dims, &graph.ty(node.outputs[0]).dims);
    let operand = |&v: &ValueId| {
        let ty = graph.ty(v);
        if v == node.inputs[place] {
            return Some((source, new.clone()));
        }
        if ty.layout != Layout::Plain {
            return None;
        }
        if ty.count() == 1 {
            return Some((v, if ty.dims.len() > new.len() { vec![] } else { ty.dims.clone() }));
        }
        if ty.dims == *old {
            return Some((v, new.clone()));
        }
        // Repeated along leading axes only: what remains must be the last axes of both.
        let own: Vec<usize> = ty.dims.iter().copied().skip_while(|&d| d == 1).collect();
        (old.ends_with(&own) && new.ends_with(&own)).then_some((v, own))
    };
    node.inputs.iter().map(operand).collect()
}
