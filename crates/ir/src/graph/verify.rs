//! The verifier of the graph IR.

use super::infer::check_type;
use super::{Def, Graph, Node, NodeId, TensorType, ValueId, infer};
use cnnc_tensor::{DType, Layout, Tensor};

/// A broken invariant: always a bug of ours.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("node {node:?}: {what}")]
pub struct VerifyError {
    /// Name of the node (of the value or of the output, where no node is at fault).
    pub node: String,
    /// Which invariant.
    pub what: String,
}

/// Checks every invariant of the graph IR: that inputs, values, nodes and outputs name each other, that values are
/// defined before their uses, that types fit the constants and are what [`infer`](fn@infer) says, that tail lanes of
/// blocked constants are zero, and that extents are single i64 values. The operands of a node with a candidate may be
/// packed, so its result types are not inferred.
pub fn verify(graph: &Graph) -> Result<(), VerifyError> {
    for (k, id) in graph.inputs.iter().enumerate() {
        let is_input = graph.values.get(id.0 as usize).is_some_and(|v| v.def == Def::Input(k));
        ensure(is_input, || "inputs".to_string(), || format!("input {k} is not value %{}", id.0))?;
    }
    for (id, _) in graph.values() {
        check_value(graph, id)?;
    }
    for (id, node) in graph.nodes() {
        check_node(graph, id, node)?;
    }
    graph.outputs.iter().try_for_each(|output| {
        let name = || format!("output {}", output.name);
        for id in std::iter::once(output.value).chain(output.extent) {
            ensure(exists(graph, id), name, || format!("value %{} does not exist", id.0))?;
        }
        let Some(extent) = output.extent else { return Ok(()) };
        let (ty, extent) = (graph.ty(output.value), graph.ty(extent));
        let fits = extent.dtype == DType::I64 && extent.count() == 1 && !ty.dims.is_empty();
        ensure(fits, name, || format!("extent {extent} does not fit a value {ty}"))
    })
}

fn ensure(condition: bool, node: impl FnOnce() -> String, what: impl FnOnce() -> String) -> Result<(), VerifyError> {
    if condition { Ok(()) } else { Err(VerifyError { node: node(), what: what() }) }
}

fn exists(graph: &Graph, id: ValueId) -> bool {
    (id.0 as usize) < graph.values.len()
}

fn check_value(graph: &Graph, id: ValueId) -> Result<(), VerifyError> {
    let value = graph.value(id);
    let name = || format!("value %{} {}", id.0, value.name.as_deref().unwrap_or_default());
    check_type(&value.ty).map_err(|what| VerifyError { node: name(), what })?;
    match &value.def {
        Def::Input(k) => ensure(graph.inputs.get(*k) == Some(&id), name, || format!("is not the graph's input {k}")),
        Def::Const(tensor) | Def::Param(tensor) => {
            let ty = TensorType::of(tensor);
            ensure(ty == value.ty, name, || format!("has type {}, its content {ty}", value.ty))?;
            ensure(tail_lanes_are_zero(tensor), name, || format!("{ty} has a tail lane that is not zero"))
        }
        Def::Result(node, k) => {
            let made = graph.nodes.get(node.0 as usize).and_then(|n| n.outputs.get(*k));
            ensure(made == Some(&id), name, || format!("is not result {k} of node {}", node.0))
        }
    }
}

fn tail_lanes_are_zero(tensor: &Tensor) -> bool {
    let Layout::Blocked(block) = tensor.layout() else { return true };
    let (channels, size) = (tensor.dims()[1], tensor.dtype().size());
    let valid = channels % block;
    let plane: usize = tensor.dims()[2..].iter().product();
    if valid == 0 || plane == 0 {
        return true;
    }
    let row = plane * block * size;
    let last_blocks = tensor.bytes().chunks_exact(row).skip(channels / block).step_by(channels.div_ceil(block));
    last_blocks.flat_map(|b| b.chunks_exact(block * size)).all(|lanes| lanes[valid * size..].iter().all(|&b| b == 0))
}

fn check_node(graph: &Graph, id: NodeId, node: &Node) -> Result<(), VerifyError> {
    let name = || format!("{} ({})", node.name, node.op.name());
    for &input in &node.inputs {
        ensure(exists(graph, input), name, || format!("operand %{} does not exist", input.0))?;
        let before = graph.producer(input).is_none_or(|producer| producer < id);
        ensure(before, name, || format!("operand %{} is defined after its use", input.0))?;
    }
    ensure(!node.outputs.is_empty(), name, || "has no results".to_string())?;
    for (k, &output) in node.outputs.iter().enumerate() {
        let refers = exists(graph, output) && graph.value(output).def == Def::Result(id, k);
        ensure(refers, name, || format!("value %{} is not its result {k}", output.0))?;
    }
    if node.candidate.is_some() {
        return Ok(());
    }
    let operands: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    let inferred = infer(&node.op, &operands).map_err(|e| VerifyError { node: name(), what: e.what })?;
    let list = |types: &[&TensorType]| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
    let declared: Vec<&TensorType> = node.outputs.iter().map(|&v| graph.ty(v)).collect();
    ensure(inferred.iter().eq(declared.iter().copied()), name, || {
        let inferred: Vec<&TensorType> = inferred.iter().collect();
        format!("results are declared as {}, but are {}", list(&declared), list(&inferred))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::UnaryOp;
    use crate::graph::{Candidate, Op};

    fn f32s(dims: &[usize]) -> TensorType {
        TensorType::plain(DType::F32, dims)
    }

    fn broken(graph: &Graph, want: &str) {
        let error = verify(graph).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }

    #[test]
    fn wrong_types_need_a_candidate() {
        let mut graph = Graph::new("g");
        let x = graph.add_input("x", f32s(&[2]));
        let relu = Op::unary(UnaryOp::Relu);
        let y = graph.add_typed("r", relu.clone(), &[x], vec![f32s(&[3])], None)[0];
        graph.add_output("y", y);
        broken(&graph, "node \"r (map)\": results are declared as f32[3], but are f32[2]");
        let mut graph = Graph::new("g");
        let x = graph.add_input("x", f32s(&[2]));
        graph.add_typed("r", relu, &[x], vec![f32s(&[3])], Some(Candidate::new("a", &[])));
        assert_eq!(verify(&graph), Ok(()));
    }

    #[test]
    fn uses_stand_behind_definitions() {
        let mut graph = Graph::new("g");
        let x = graph.add_input("x", f32s(&[2]));
        let later = ValueId(2);
        graph.add_typed("first", Op::unary(UnaryOp::Relu), &[later], vec![f32s(&[2])], None);
        graph.add_typed("second", Op::unary(UnaryOp::Relu), &[x], vec![f32s(&[2])], None);
        broken(&graph, "operand %2 is defined after its use");
        let mut graph = Graph::new("g");
        graph.add_typed("first", Op::unary(UnaryOp::Relu), &[ValueId(7)], vec![f32s(&[2])], None);
        broken(&graph, "operand %7 does not exist");
    }

    #[test]
    fn layouts_fit_and_tail_lanes_are_zero() {
        let mut graph = Graph::new("g");
        graph.add_input("x", f32s(&[2]).with_layout(Layout::Blocked(4)));
        broken(&graph, "cannot be blocked");
        let blocked = |elements: &[f32]| {
            let bytes: Vec<u8> = elements.iter().flat_map(|v| v.to_le_bytes()).collect();
            let mut graph = Graph::new("g");
            let tensor = Tensor::from_bytes(DType::F32, &[2, 3, 1], Layout::Blocked(2), &bytes).unwrap();
            graph.add_const(None, tensor);
            verify(&graph)
        };
        assert_eq!(blocked(&[1., 2., 3., 0., 5., 6., 7., 0.]), Ok(()));
        assert!(blocked(&[1., 2., 3., 0., 5., 6., 7., 8.]).unwrap_err().what.contains("tail lane"));
    }

    #[test]
    fn outputs_and_extents_exist_and_fit() {
        let mut graph = Graph::new("g");
        let x = graph.add_input("x", f32s(&[2]));
        graph.add_output("y", x);
        graph.outputs[0].extent = Some(x);
        broken(&graph, "extent f32[2] does not fit a value f32[2]");
        graph.outputs[0].extent = Some(ValueId(9));
        broken(&graph, "value %9 does not exist");
    }
}
