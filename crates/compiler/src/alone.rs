//! One node alone under any of its candidates, whatever the choice would take: for measurements.

use crate::layouts::{LayoutOption, layout_options};
use crate::{CompileError, choose};
use cnnc_ir::graph::{Candidate, Graph, Node, Op, TensorType, ValueId};
use cnnc_lower::{Algorithm, Breadth, LowerError, Region};
use cnnc_tensor::{Layout, Target, Tensor};
use std::collections::HashMap;

/// Bytes of packed constants that are kept.
const MOST_KEPT: usize = 512 << 20;

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

impl Way {
    fn new(
        region: &Region,
        layouts: &LayoutOption,
        algorithm: &'static Algorithm,
        candidate: Candidate,
        target: &Target,
    ) -> Way {
        let work = (algorithm.work)(region, &candidate, target);
        Way {
            algorithm,
            input: region.inputs[0].layout,
            output: layouts.output,
            seconds: work.seconds,
            flops: work.flops,
            error: (algorithm.error)(region, &candidate, target),
            candidate,
            layouts: layouts.clone(),
        }
    }

    /// The way of a candidate in given layouts, for the only node of a graph. Whether the candidate is legal shows when
    /// it is lowered.
    pub fn of(
        graph: &Graph,
        candidate: Candidate,
        input: Layout,
        output: Layout,
        target: &Target,
    ) -> Result<Way, CompileError> {
        let node = only_node(graph)?;
        let illegal = |why: &str| {
            let (node, candidate, why) = (node.name.clone(), candidate.to_string(), why.to_string());
            CompileError::Lower(LowerError::Illegal { node, candidate, why })
        };
        let algorithm = cnnc_lower::find(&candidate.algorithm).ok_or_else(|| illegal("there is no such algorithm"))?;
        let fits = |layouts: &&LayoutOption| {
            layouts.output == output && region(graph, node, layouts).inputs.first().is_some_and(|x| x.layout == input)
        };
        let options = options(graph, node, target);
        let layouts = options.iter().find(fits).ok_or_else(|| illegal("no such layouts"))?;
        Ok(Way::new(&region(graph, node, layouts), layouts, algorithm, candidate, target))
    }
}

/// All ways to compute the only node of a graph, the fastest by estimate first.
pub fn ways(graph: &Graph, target: &Target, breadth: Breadth) -> Result<Vec<Way>, CompileError> {
    let node = only_node(graph)?;
    let mut ways: Vec<Way> = vec![];
    for layouts in options(graph, node, target) {
        let region = region(graph, node, &layouts);
        let candidates = cnnc_lower::candidates(&region, target, breadth).into_iter();
        ways.extend(candidates.map(|(algorithm, c)| Way::new(&region, &layouts, algorithm, c, target)));
    }
    ways.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Ok(ways)
}

fn options(graph: &Graph, node: &Node, target: &Target) -> Vec<LayoutOption> {
    let types: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    layout_options(&node.op, &types, graph.ty(node.outputs[0]), target.lanes)
}

/// Constants of one graph as they were packed for one candidate or another: many candidates pack alike.
#[derive(Debug, Default)]
pub struct Packed {
    /// By operand, its layout, and what was done to it.
    tensors: HashMap<(usize, Layout, Vec<Op>), Tensor>,
    bytes: usize,
}

impl Packed {
    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// An operand under a chain of operators. What a shorter chain made is kept as well: tilings differ in the last ones.
    fn get(&mut self, name: &str, operand: usize, tensor: Tensor, ops: &[Op]) -> Result<Tensor, CompileError> {
        let key = |n: usize| (operand, tensor.layout(), ops[..n].to_vec());
        let known = (1..=ops.len()).rev().find_map(|n| Some((n, self.tensors.get(&key(n))?.clone())));
        let (done, mut packed) = known.unwrap_or((0, tensor.clone()));
        for n in done..ops.len() {
            let before = packed.bytes().as_ptr();
            packed = choose::fold_chain(name, packed, &ops[n..=n])?;
            // A tensor of other dims may share its bytes.
            let bytes = if packed.bytes().as_ptr() == before { 0 } else { packed.bytes().len() };
            if self.bytes + bytes > MOST_KEPT {
                *self = Packed::default();
            }
            self.bytes += bytes;
            self.tensors.insert(key(n + 1), packed.clone());
        }
        Ok(packed)
    }
}

/// The only node of a graph under one of its ways, weights packed: like the graph of [`choose`](crate::choose()), with
/// plain inputs and outputs and the conversions that the way needs around it.
pub fn alone(graph: &Graph, way: &Way, target: &Target) -> Result<Graph, CompileError> {
    alone_packed(graph, way, target, &mut Packed::default())
}

/// [`alone`] that takes packed constants from those of the same graph's other ways.
pub fn alone_packed(graph: &Graph, way: &Way, target: &Target, packed: &mut Packed) -> Result<Graph, CompileError> {
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
                new.add_const(None, packed.get(&node.name, k, tensor, &ops)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::parse_layers;
    use cnnc_ir::graph::{parse_candidate, seeded};
    use cnnc_tensor::Isa;

    #[test]
    fn a_way_is_found_by_its_text_and_packs_alike_from_what_is_kept() {
        let target = Target::of(Isa::X86V3);
        for line in ["conv 1x16x9x9 24x16x3x3 pad=1 tail=bias+relu", "matmul 3x33 40x33 transpose=b tail=bias+add"] {
            let layer = parse_layers(line).unwrap().pop().unwrap();
            let contents: Vec<Tensor> = layer.operands.iter().map(|o| seeded(&o.ty(), 1).unwrap()).collect();
            let graph = layer.graph(&contents).unwrap();
            let mut packed = Packed::default();
            for way in ways(&graph, &target, Breadth::Offered).unwrap() {
                let candidate = parse_candidate(&way.candidate.to_string()).unwrap();
                assert_eq!(candidate, way.candidate);
                let same = Way::of(&graph, candidate, way.input, way.output, &target).unwrap();
                assert_eq!((same.seconds, same.error), (way.seconds, way.error));
                let kept = alone_packed(&graph, &same, &target, &mut packed).unwrap();
                assert_eq!(kept, alone(&graph, &way, &target).unwrap(), "{line} {}", way.candidate);
            }
            assert!(packed.bytes() > 0);
        }
    }
}
