//! One node alone under any of its candidates, whatever the choice would take: for measurements.

use crate::layouts::{LayoutOption, layout_options};
use crate::{CompileError, choose};
use cnnc_ir::graph::{Candidate, Graph, Node, Op, TensorType, ValueId};
use cnnc_lower::{Algorithm, Breadth, Region};
use cnnc_tensor::{Layout, Target};

/// One way to compute a node.
#[derive(Clone, Debug)]
pub struct Way {
    layouts: LayoutOption,
    /// The algorithm.
    pub algorithm: &'static Algorithm,
    /// The candidate.
    pub candidate: Candidate,
    /// Layout of the first operand.
    pub input: Layout,
    /// Layout of the result.
    pub output: Layout,
    /// Estimated seconds on one thread, conversions of layout left out.
    pub seconds: f64,
    /// Floating-point operations of the node as defined.
    pub flops: f64,
    /// The error that the algorithm declares.
    pub error: f64,
}

/// All ways to compute the only node of a graph, the fastest by estimate first.
pub fn ways(graph: &Graph, target: &Target, breadth: Breadth) -> Result<Vec<Way>, CompileError> {
    let node = only_node(graph)?;
    let types: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    let mut ways: Vec<Way> = vec![];
    for layouts in layout_options(&node.op, &types, graph.ty(node.outputs[0]), target.lanes) {
        let region = region(graph, node, &layouts);
        for (algorithm, candidate) in cnnc_lower::candidates(&region, target, breadth) {
            let work = (algorithm.work)(&region, &candidate, target);
            ways.push(Way {
                algorithm,
                input: region.inputs[0].layout,
                output: layouts.output,
                seconds: work.seconds,
                flops: work.flops,
                error: (algorithm.error)(&region, &candidate, target),
                candidate,
                layouts: layouts.clone(),
            });
        }
    }
    ways.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Ok(ways)
}

/// The only node of a graph under one of its ways, weights packed: like the graph of [`choose`](crate::choose()), with
/// plain inputs and outputs and the conversions that the way needs around it.
pub fn alone(graph: &Graph, way: &Way, target: &Target) -> Result<Graph, CompileError> {
    let node = only_node(graph)?;
    let region = region(graph, node, &way.layouts);
    let packings = (way.algorithm.packings)(&region, &way.candidate, target);
    let mut new = Graph::new(&graph.name);
    let mut inputs: Vec<ValueId> = vec![];
    for (k, &old) in node.inputs.iter().enumerate() {
        let layout = region.inputs[k].layout;
        let ops = packings.iter().filter(|p| p.input == k).flat_map(|p| &p.ops);
        let value = match graph.constant(old) {
            Some(tensor) => {
                let tensor = tensor.with_layout(layout).map_err(|e| internal(e.to_string()))?;
                let ops: Vec<Op> = ops.cloned().collect();
                new.add_const(None, choose::fold_chain(&node.name, tensor, &ops)?)
            }
            None => {
                let convert = (layout != Layout::Plain).then_some(Op::Convert { layout });
                let name = graph.value(old).name.as_deref().unwrap_or("");
                let input = new.add_input(name, graph.ty(old).with_layout(Layout::Plain));
                convert.iter().chain(ops).try_fold(input, |at, op| around(&mut new, op, at, target))?
            }
        };
        inputs.push(value);
    }
    let types = region.outputs.clone();
    let mut result = new.add_typed(&node.name, node.op.clone(), &inputs, types, Some(way.candidate.clone()))[0];
    if way.output != Layout::Plain {
        result = around(&mut new, &Op::Convert { layout: Layout::Plain }, result, target)?;
    }
    new.add_output("y", result);
    Ok(new)
}

/// Adds an operator that the way needs around the node.
fn around(graph: &mut Graph, op: &Op, input: ValueId, target: &Target) -> Result<ValueId, CompileError> {
    let name = "around";
    let types = cnnc_ir::graph::infer(op, &[graph.ty(input)]).map_err(|e| CompileError::infer(name, e))?;
    let inputs = vec![graph.ty(input).clone()];
    let region = Region { name, op, inputs, constants: vec![None], outputs: types.clone() };
    let candidate = match op {
        Op::Reshape { .. } => None,
        _ => Some(cnnc_lower::choose(&region, target)?.1),
    };
    Ok(graph.add_typed(name, op.clone(), &[input], types, candidate)[0])
}

fn region<'a>(graph: &'a Graph, node: &'a Node, layouts: &LayoutOption) -> Region<'a> {
    let input = |(&v, layout): (&ValueId, &Option<Layout>)| graph.ty(v).with_layout(layout.unwrap_or(Layout::Plain));
    Region {
        name: &node.name,
        op: &node.op,
        inputs: node.inputs.iter().zip(&layouts.inputs).map(input).collect(),
        constants: node.inputs.iter().map(|&v| graph.constant(v)).collect(),
        outputs: node.outputs.iter().map(|&v| graph.ty(v).with_layout(layouts.output)).collect(),
    }
}

fn only_node(graph: &Graph) -> Result<&Node, CompileError> {
    let mut nodes = graph.nodes();
    match (nodes.next(), nodes.next()) {
        (Some((_, node)), None) => Ok(node),
        _ => Err(internal("a graph of one node is wanted".into())),
    }
}

fn internal(what: String) -> CompileError {
    CompileError::Internal { stage: "alone".into(), what }
}
