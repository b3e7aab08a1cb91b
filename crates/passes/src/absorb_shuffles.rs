//! Channel shuffles move into the convolution before them: a reshape of C channels into G groups, a transpose of the
//! groups with their channels and the reshape back (Zhang et al., "ShuffleNet", 2018).
//!
//! A dense convolution takes a shuffle for nothing: its filters stand in another order. A convolution of G groups
//! interleaves them in its result. Depthwise convolutions, pools and maps between it and the shuffle work channel by
//! channel: what they hold for each channel is shuffled, and is constant. Nothing is left to move at run time, so a
//! shuffle is taken only where the whole way to such a convolution is free.

use crate::{Pass, repeated};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, TensorType, ValueId, eval_op};
use cnnc_tensor::{Layout, Tensor};
use std::collections::HashMap;

/// The pass.
pub const PASS: Pass = Pass {
    name: "absorb_shuffles",
    about: "a channel shuffle moves into the convolution before it",
    accuracy: Accuracy::Exact,
    run: absorb_shuffles,
};

fn absorb_shuffles(graph: &Graph) -> Option<Graph> {
    repeated(graph, step)
}

/// All shuffles that can be taken: their ways have no node in common, since nothing on them has a second user.
fn step(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    let (mut ends, mut changed) = (HashMap::new(), HashMap::new());
    for (id, node) in graph.nodes() {
        let Some(shuffle) = Shuffle::ending_at(graph, &users, node) else { continue };
        if let Some(way) = shuffle.way(graph, &users) {
            ends.insert(id, shuffle.source);
            changed.extend(way);
        }
    }
    if ends.is_empty() {
        return None;
    }
    let mut rewriter = Rewriter::new(graph);
    for (id, node) in graph.nodes() {
        if let Some(&source) = ends.get(&id) {
            let source = rewriter.get(source);
            rewriter.set(node.outputs[0], source);
        } else if let Some(new) = changed.get(&id) {
            let mut inputs: Vec<ValueId> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
            for (k, tensor) in &new.constants {
                let name = graph.value(node.inputs[*k]).name.as_deref();
                inputs[*k] = rewriter.new.add_const(name, tensor.clone());
            }
            let types = vec![graph.ty(node.outputs[0]).clone()];
            let value = rewriter.new.add_typed(&node.name, new.op.clone(), &inputs, types, None)[0];
            rewriter.set(node.outputs[0], value);
        } else {
            rewriter.copy(id);
        }
    }
    Some(rewriter.finish())
}

/// A shuffle of the channels of `source`: channel k of group g of `groups` goes to `k * groups + g`.
struct Shuffle {
    source: ValueId,
    groups: usize,
}

/// A node on the way from the convolution to the shuffle as it becomes.
struct Shuffled {
    op: Op,
    /// Operands that are shuffled.
    constants: Vec<(usize, Tensor)>,
}

impl Shuffle {
    /// The shuffle whose last reshape is a node, where nothing else needs what is between.
    fn ending_at(graph: &Graph, users: &[Vec<NodeId>], node: &Node) -> Option<Shuffle> {
        let before = |node: &Node| {
            let value = *node.inputs.first()?;
            let single = users[value.0 as usize].len() == 1 && !graph.is_output(value);
            let producer = graph.node(graph.producer(value)?);
            (single && producer.candidate.is_none()).then_some(producer)
        };
        let (Op::Reshape { .. }, None) = (&node.op, &node.candidate) else { return None };
        let transpose = before(node)?;
        let Op::Transpose { perm } = &transpose.op else { return None };
        let split = before(transpose)?;
        let Op::Reshape { dims: parts } = &split.op else { return None };
        let source = split.inputs[0];
        let dims = &graph.ty(source).dims;
        let axis = perm.iter().enumerate().position(|(k, &p)| k != p)?;
        let mut swapped: Vec<usize> = (0..parts.len()).collect();
        swapped.swap(axis, perm[axis]);
        let channels = dims.len() >= 3
            && *perm == swapped
            && perm[axis] == axis + 1
            && parts[axis] * parts[axis + 1] == dims[1]
            && parts[..axis].iter().product::<usize>() == dims[0];
        let whole = *dims == graph.ty(node.outputs[0]).dims && !dims.contains(&0);
        (channels && whole).then_some(Shuffle { source, groups: parts[axis] })
    }

    /// The nodes from the convolution to the shuffle as they become, if all can.
    fn way(&self, graph: &Graph, users: &[Vec<NodeId>]) -> Option<Vec<(NodeId, Shuffled)>> {
        let (mut way, mut value) = (vec![], self.source);
        loop {
            let id = graph.producer(value)?;
            let node = graph.node(id);
            let single = users[value.0 as usize].len() == 1 && !graph.is_output(value) && node.outputs.len() == 1;
            if !single || node.candidate.is_some() || graph.ty(value).layout != Layout::Plain {
                return None;
            }
            let ends = matches!(&node.op, Op::Conv { .. }) && !is_depthwise(graph, node);
            let (op, through) = if ends { (self.convolution(graph, node)?, 0) } else { self.through(graph, node)? };
            let constants = self.constants(graph, node, through)?;
            way.push((id, Shuffled { op, constants }));
            if ends {
                return Some(way);
            }
            value = node.inputs[through];
        }
    }

    /// A convolution that takes the shuffle.
    fn convolution(&self, graph: &Graph, node: &Node) -> Option<Op> {
        let Op::Conv { window, groups, interleaved, tail } = &node.op else { return None };
        let outputs = graph.ty(node.outputs[0]).dims[1];
        let interleaved = match (*groups, *interleaved) {
            (1, _) => false,
            (groups, false) if groups == self.groups => true,
            (groups, true) if groups * self.groups == outputs => false,
            _ => return None,
        };
        Some(Op::Conv { window: window.clone(), groups: *groups, interleaved, tail: tail.clone() })
    }

    /// An operator that works channel by channel, and which operand the shuffle moves on to.
    fn through(&self, graph: &Graph, node: &Node) -> Option<(Op, usize)> {
        let result = graph.ty(node.outputs[0]);
        let operand = match &node.op {
            Op::Conv { .. } if is_depthwise(graph, node) => 0,
            Op::Pool { indices: false, .. } => 0,
            Op::Map { dims, .. } if dims.is_empty() => {
                let computed = |&k: &usize| graph.constant(node.inputs[k]).is_none();
                let operand = (0..node.inputs.len()).find(computed)?;
                (graph.ty(node.inputs[operand]).dims == result.dims).then_some(operand)?
            }
            _ => return None,
        };
        Some((node.op.clone(), operand))
    }

    /// The operands beside `through` that hold something for each channel, shuffled; `None` where one cannot be.
    fn constants(&self, graph: &Graph, node: &Node, through: usize) -> Option<Vec<(usize, Tensor)>> {
        let (expr, fixed) = match &node.op {
            Op::Map { expr, .. } => (Some(expr), 0),
            op => op.tail().map_or((None, 1), |(tail, fixed)| (Some(tail), fixed)),
        };
        if expr.is_some_and(|expr| expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(1)))) {
            return None;
        }
        let rank = graph.ty(node.outputs[0]).dims.len();
        let mut shuffled = vec![];
        for (k, &value) in node.inputs.iter().enumerate().filter(|(k, _)| *k != through) {
            let dims = &graph.ty(value).dims;
            // Filters have their outputs first; what is broadcast has its channels where the result has them.
            let axis = if k < fixed { Some(0) } else { 1usize.checked_sub(rank - dims.len()) };
            match axis {
                Some(axis) if dims.get(axis).is_some_and(|&d| d != 1) => {
                    shuffled.push((k, self.of_constant(graph.constant(value)?, axis)?));
                }
                _ => {}
            }
        }
        Some(shuffled)
    }

    /// A constant with an axis shuffled.
    fn of_constant(&self, tensor: &Tensor, axis: usize) -> Option<Tensor> {
        let dims = tensor.dims();
        let (outer, inner): (usize, usize) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
        let split = Op::Reshape { dims: vec![outer, self.groups, dims[axis] / self.groups, inner] };
        let ops = [split, Op::Transpose { perm: vec![0, 2, 1, 3] }, Op::Reshape { dims: dims.to_vec() }];
        ops.iter().try_fold(tensor.clone(), |tensor, op| eval_op(op, &[&tensor]).ok()?.pop())
    }
}

/// Whether a convolution has one filter for each channel.
fn is_depthwise(graph: &Graph, node: &Node) -> bool {
    let channels = |ty: &TensorType| ty.dims[1];
    let (operand, result) = (graph.ty(node.inputs[0]), graph.ty(node.outputs[0]));
    matches!(&node.op, Op::Conv { groups, .. } if *groups == channels(operand) && *groups == channels(result))
}
