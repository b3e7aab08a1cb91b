//! Transposes move behind maps of several operands, concatenations, pads, slices and reductions, where that leaves
//! less to transpose: exports from frameworks with channels last wrap each convolution in two transposes that undo
//! each other across the operators between.
//!
//! Greedy: one walk moves every transpose as far as it goes and merges it with those it meets; the result is taken
//! only if fewer elements are transposed in it.

use crate::Pass;
use crate::merge_transposes::keeps_order;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, TensorType, ValueId, eval_op};
use cnnc_tensor::{Layout, Tensor};

/// The pass.
pub const PASS: Pass = Pass {
    name: "sink_transposes",
    about: "transposes move behind other operators where that leaves fewer",
    accuracy: Accuracy::Exact,
    run: sink_transposes,
};

fn sink_transposes(graph: &Graph) -> Option<Graph> {
    let before = transposed_elements(graph);
    if before == 0 {
        return None;
    }
    let users = graph.users();
    let mut rewriter = Rewriter::new(graph);
    for (id, node) in graph.nodes() {
        let done =
            node.candidate.is_none() && (merge(graph, &mut rewriter, node) || sink(graph, &users, &mut rewriter, node));
        if !done {
            rewriter.copy(id);
        }
    }
    Some(rewriter.finish()).filter(|after| transposed_elements(after) < before)
}

/// How many elements transposes move at run time.
fn transposed_elements(graph: &Graph) -> usize {
    let moves = |n: &Node| matches!(&n.op, Op::Transpose { perm } if !keeps_order(perm, &graph.ty(n.inputs[0]).dims));
    graph.nodes().filter(|(_, n)| moves(n)).map(|(_, n)| graph.ty(n.outputs[0]).count()).sum()
}

/// A transpose of a transpose becomes one, or none.
fn merge(graph: &Graph, rewriter: &mut Rewriter, node: &Node) -> bool {
    let Op::Transpose { perm } = &node.op else { return false };
    let input = rewriter.get(node.inputs[0]);
    let Some((source, first)) = transposed(&rewriter.new, input) else { return false };
    let perm: Vec<usize> = perm.iter().map(|&p| first[p]).collect();
    let new = if perm.is_sorted() {
        source
    } else {
        let types = vec![graph.ty(node.outputs[0]).clone()];
        rewriter.new.add_typed(&node.name, Op::Transpose { perm }, &[source], types, None)[0]
    };
    rewriter.set(node.outputs[0], new);
    true
}

/// The operand and the permutation of the transpose that makes a value.
fn transposed(graph: &Graph, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let node = graph.node(graph.producer(value)?);
    match &node.op {
        Op::Transpose { perm } if node.candidate.is_none() => Some((node.inputs[0], perm.clone())),
        _ => None,
    }
}

/// What an operand is before the transpose.
enum Source {
    Value(ValueId),
    Constant(Tensor),
    Reshaped(ValueId, TensorType),
}

/// Moves the transpose before an operator behind it.
fn sink(graph: &Graph, users: &[Vec<NodeId>], rewriter: &mut Rewriter, node: &Node) -> bool {
    if !passes(node) || graph.ty(node.outputs[0]).layout != Layout::Plain {
        return false;
    }
    let movable = |v: ValueId| {
        !graph.is_output(v)
            && users[v.0 as usize]
                .iter()
                .map(|&u| graph.node(u))
                .all(|n| passes(n) || matches!(n.op, Op::Transpose { .. }))
    };
    let result = graph.ty(node.outputs[0]).clone();
    let operands: Vec<ValueId> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
    let found = node.inputs.iter().zip(&operands).find_map(|(&old, &new)| {
        let (_, perm) = transposed(&rewriter.new, new)?;
        (perm.len() == result.dims.len() && movable(old)).then_some(perm)
    });
    let Some(perm) = found else { return false };
    let Some(op) = permuted(&node.op, &perm) else { return false };
    let pad = matches!(node.op, Op::Pad { .. });
    let sources: Option<Vec<Source>> = operands
        .iter()
        .enumerate()
        .map(|(k, &v)| if pad && k == 1 { Some(Source::Value(v)) } else { before(&rewriter.new, v, &perm) })
        .collect();
    let Some(sources) = sources else { return false };
    let mut inputs = Vec::with_capacity(sources.len());
    for source in sources {
        inputs.push(match source {
            Source::Value(v) => v,
            Source::Constant(tensor) => rewriter.new.add_const(None, tensor),
            Source::Reshaped(v, ty) => {
                let op = Op::Reshape { dims: ty.dims.clone() };
                rewriter.new.add_typed(&node.name, op, &[v], vec![ty], None)[0]
            }
        });
    }
    let Ok(new) = rewriter.new.add1(&node.name, op, &inputs) else { return false };
    let op = Op::Transpose { perm };
    let new = rewriter.new.add_typed(&node.name, op, &[new], vec![result], None)[0];
    rewriter.set(node.outputs[0], new);
    true
}

/// Whether a transpose can be moved behind such an operator.
fn passes(node: &Node) -> bool {
    node.candidate.is_none()
        && match &node.op {
            Op::Map { expr, dims } => dims.is_empty() && !expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(_))),
            Op::Reduce { keep_dims, .. } => *keep_dims,
            Op::Concat { .. } | Op::Pad { .. } | Op::Slice { .. } => true,
            _ => false,
        }
}

/// The operator on operands before the transpose: axis k behind it is axis `perm[k]`.
fn permuted(op: &Op, perm: &[usize]) -> Option<Op> {
    Some(match op {
        Op::Map { .. } => op.clone(),
        Op::Concat { axis } => Op::Concat { axis: perm[*axis] },
        Op::Pad { mode, begin, end } => {
            Op::Pad { mode: *mode, begin: each_axis(begin, perm), end: each_axis(end, perm) }
        }
        Op::Slice { starts, steps, dims } => {
            Op::Slice { starts: each_axis(starts, perm), steps: each_axis(steps, perm), dims: each_axis(dims, perm) }
        }
        Op::Reduce { kind, axes, keep_dims } => {
            let axes: Vec<usize> = axes.iter().map(|&axis| perm[axis]).collect();
            // In another order of axes a sum would be rounded in another order.
            if !axes.is_sorted() {
                return None;
            }
            Op::Reduce { kind: *kind, axes, keep_dims: *keep_dims }
        }
        _ => return None,
    })
}

/// One entry for each axis, from behind the transpose to before it.
fn each_axis<T: Copy>(entries: &[T], perm: &[usize]) -> Vec<T> {
    inverse(perm).into_iter().map(|k| entries[k]).collect()
}

fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(k, &p)| inverse[p] = k);
    inverse
}

/// The operand whose transpose a value is: behind a transpose, for a constant, or where only axes of size 1 move.
fn before(graph: &Graph, value: ValueId, perm: &[usize]) -> Option<Source> {
    let ty = graph.ty(value);
    if ty.layout != Layout::Plain {
        return None;
    }
    if let Some((source, own)) = transposed(graph, value)
        && own == perm
    {
        return Some(Source::Value(source));
    }
    if ty.count() == 1 && ty.dims.len() <= perm.len() {
        return Some(Source::Value(value));
    }
    let mut dims = vec![1; perm.len().checked_sub(ty.dims.len())?];
    dims.extend(&ty.dims);
    let back = inverse(perm);
    if let Some(tensor) = graph.constant(value) {
        let reshaped = eval_op(&Op::Reshape { dims }, &[tensor]).ok()?.pop()?;
        return Some(Source::Constant(eval_op(&Op::Transpose { perm: back }, &[&reshaped]).ok()?.pop()?));
    }
    let same_order = keeps_order(&back, &dims);
    let dims = back.iter().map(|&axis| dims[axis]).collect();
    same_order.then(|| Source::Reshaped(value, TensorType { dims, ..ty.clone() }))
}
