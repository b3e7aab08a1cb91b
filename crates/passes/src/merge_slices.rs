//! Slices of slices become one, a slice that lies in one operand of a concatenation is taken from that operand, and
//! slices that a concatenation puts side by side again become one: splits and concatenations undo each other.

use crate::{Pass, repeated};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, TensorType, ValueId};
use cnnc_tensor::Layout;

/// The pass.
pub const PASS: Pass = Pass {
    name: "merge_slices",
    about: "slices of slices and of concatenations, concatenations of slices",
    accuracy: Accuracy::Exact,
    run: merge_slices,
};

fn merge_slices(graph: &Graph) -> Option<Graph> {
    repeated(graph, step)
}

/// One round over the graph.
fn step(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let ty = graph.ty(node.outputs[0]).clone();
        let rewritten = if let Some((source, part)) = slice(graph, node).and_then(|s| nearer_source(graph, &s)) {
            Some(add_slice(&mut rewriter, node, source, part, ty))
        } else if let Some((axis, parts)) = joined(graph, &users, id, node) {
            let mut operands = Vec::with_capacity(parts.len());
            for (value, part) in parts {
                operands.push(match part {
                    Some(part) => {
                        let ty = TensorType { dims: part.dims.clone(), ..ty.clone() };
                        add_slice(&mut rewriter, node, value, part, ty)
                    }
                    None => rewriter.get(value),
                });
            }
            match operands[..] {
                [single] => Some(single),
                _ => Some(rewriter.new.add_typed(&node.name, Op::Concat { axis }, &operands, vec![ty], None)[0]),
            }
        } else {
            None
        };
        match rewritten {
            Some(new) => {
                rewriter.set(node.outputs[0], new);
                changed = true;
            }
            None => rewriter.copy(id),
        }
    }
    changed.then(|| rewriter.finish())
}

fn add_slice(rewriter: &mut Rewriter, node: &Node, source: ValueId, part: Part, ty: TensorType) -> ValueId {
    let Part { starts, steps, dims } = part;
    let input = rewriter.get(source);
    rewriter.new.add_typed(&node.name, Op::Slice { starts, steps, dims }, &[input], vec![ty], None)[0]
}

/// Which elements a slice takes, none of its axes empty.
#[derive(Clone, PartialEq)]
struct Part {
    starts: Vec<usize>,
    steps: Vec<isize>,
    dims: Vec<usize>,
}

fn slice(graph: &Graph, node: &Node) -> Option<(ValueId, Part)> {
    let (Op::Slice { starts, steps, dims }, None) = (&node.op, &node.candidate) else { return None };
    let fits = graph.ty(node.inputs[0]).layout == Layout::Plain && !dims.contains(&0);
    let part = Part { starts: starts.clone(), steps: steps.clone(), dims: dims.clone() };
    fits.then_some((node.inputs[0], part))
}

/// The same elements taken from what the slice's operand is made of.
fn nearer_source(graph: &Graph, (value, part): &(ValueId, Part)) -> Option<(ValueId, Part)> {
    let producer = graph.node(graph.producer(*value)?);
    if let Some((source, inner)) = slice(graph, producer) {
        let axes = 0..part.dims.len();
        let start = |k: usize| inner.starts[k].checked_add_signed(part.starts[k] as isize * inner.steps[k]);
        let starts = axes.clone().map(start).collect::<Option<_>>()?;
        // The step of an axis of one element may be any number.
        let steps = axes.map(|k| inner.steps[k].checked_mul(part.steps[k])).collect::<Option<_>>()?;
        return Some((source, Part { starts, steps, dims: part.dims.clone() }));
    }
    let (Op::Concat { axis }, None) = (&producer.op, &producer.candidate) else { return None };
    let first = part.starts[*axis];
    let last = first.checked_add_signed((part.dims[*axis] - 1) as isize * part.steps[*axis])?;
    let mut begin = 0;
    for &operand in &producer.inputs {
        let end = begin + graph.ty(operand).dims[*axis];
        if (begin..end).contains(&first) && (begin..end).contains(&last) {
            let mut part = part.clone();
            part.starts[*axis] -= begin;
            return Some((operand, part));
        }
        begin = end;
    }
    None
}

/// A concatenation's operands with neighbours from one value taken together; `None` where there are none.
#[allow(clippy::type_complexity)] // read once, right above
fn joined(
    graph: &Graph,
    users: &[Vec<NodeId>],
    id: NodeId,
    node: &Node,
) -> Option<(usize, Vec<(ValueId, Option<Part>)>)> {
    let (Op::Concat { axis }, None) = (&node.op, &node.candidate) else { return None };
    let mut parts: Vec<(ValueId, Option<Part>, ValueId)> = Vec::with_capacity(node.inputs.len());
    for &operand in &node.inputs {
        let only = users[operand.0 as usize].iter().all(|&u| u == id) && !graph.is_output(operand);
        let own = graph.producer(operand).filter(|_| only).and_then(|p| slice(graph, graph.node(p)));
        let Some((source, part)) = own else {
            parts.push((operand, None, operand));
            continue;
        };
        if let Some((before, Some(left), _)) = parts.last_mut()
            && *before == source
            && follows(left, &part, *axis)
        {
            left.dims[*axis] += part.dims[*axis];
        } else {
            parts.push((source, Some(part), operand));
        }
    }
    if parts.len() == node.inputs.len() {
        return None;
    }
    // A slice that met no neighbour stays the operand that it is.
    let same = |part: &Part, operand: ValueId| part.dims == graph.ty(operand).dims;
    let operands = parts.into_iter().map(|(value, part, operand)| match part {
        Some(part) if same(&part, operand) => (operand, None),
        part => (value, part),
    });
    Some((*axis, operands.collect()))
}

/// Whether the right part begins along the axis where the left one ends, and is like it otherwise.
fn follows(left: &Part, right: &Part, axis: usize) -> bool {
    let mut moved = left.clone();
    moved.dims[axis] = right.dims[axis];
    let next = left.starts[axis].checked_add_signed(left.dims[axis] as isize * left.steps[axis]);
    next.is_some_and(|next| {
        moved.starts[axis] = next;
        moved == *right
    })
}
