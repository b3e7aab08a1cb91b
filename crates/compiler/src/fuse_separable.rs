//! Fusion of depthwise convolutions with the 1x1 convolution that alone reads their result, where both in one take less
//! time by estimate: where what is between them would not stay in a cache.
//!
//! A step before the choice, since it depends on the target. What has measured ways goes by these: a pair as one layer,
//! else its layers apart.

use crate::Choices;
use crate::layouts::layout_options;
use crate::shapes::layer_of;
use cnnc_ir::graph::ops::Window;
use cnnc_ir::graph::{Graph, Node, NodeId, Op, Rewriter, TensorType, ValueId};
use cnnc_lower::{Region, choose_among};
use cnnc_tensor::{DType, Layout, Target, Tensor};
use std::collections::{HashMap, HashSet};

/// Time of both in one over that of one after the other, up to which they are fused: the estimates' own doubt.
const WORTH: f64 = 0.97;

/// The graph with such pairs fused; `None` where there are none.
pub fn fuse_separable(graph: &Graph, target: &Target, choices: &Choices) -> Option<Graph> {
    let users = graph.users();
    let pair = |(id, node): (NodeId, &'_ Node)| {
        let made = *node.inputs.first()?;
        let before = graph.producer(made)?;
        let pair = Pair::of(graph, before, id)?;
        let alone = users[made.0 as usize] == [id] && !graph.is_output(made);
        (alone && pair.is_chosen(target, choices)).then_some((id, pair))
    };
    let pairs: HashMap<NodeId, Pair> = graph.nodes().filter_map(pair).collect();
    if pairs.is_empty() {
        return None;
    }
    let before: HashSet<NodeId> = pairs.values().map(|pair| pair.before).collect();
    let mut rewriter = Rewriter::new(graph);
    for (id, node) in graph.nodes() {
        if let Some(pair) = pairs.get(&id) {
            let operands: Vec<_> = pair.operands().into_iter().map(|v| v.map(|v| rewriter.get(v))).collect();
            let new = pair.add_to(&mut rewriter.new, operands)?;
            rewriter.set(node.outputs[0], new);
        } else if !before.contains(&id) {
            rewriter.copy(id);
        }
    }
    Some(rewriter.finish())
}

/// A depthwise convolution and the 1x1 convolution of its result.
struct Pair<'a> {
    graph: &'a Graph,
    before: NodeId,
    first: &'a Node,
    second: &'a Node,
    op: Op,
    channels: usize,
}

impl<'a> Pair<'a> {
    fn of(graph: &'a Graph, before: NodeId, after: NodeId) -> Option<Pair<'a>> {
        let (first, second) = (graph.node(before), graph.node(after));
        let Op::Conv { window, groups, interleaved: false, tail: between } = &first.op else { return None };
        let Op::Conv { window: one, groups: 1, interleaved: false, tail } = &second.op else { return None };
        let channels = graph.ty(first.outputs[0]).dims[1];
        let is_depthwise = *groups == channels && graph.ty(first.inputs[0]).dims[1] == channels;
        let is_pointwise = *one == Window::of_one_tap(one.kernel.len());
        let reads_again = second.inputs[1..].contains(&first.outputs[0]);
        let is_bias = |&v: &ValueId| {
            let ty = graph.ty(v);
            ty.dtype == DType::F32
                && ty.count() == channels
                && ty.dims.iter().rev().nth(one.kernel.len()) == Some(&channels)
        };
        let simple = first.inputs.len() <= 3 && first.inputs[2..].iter().all(is_bias);
        let mut weights = first.inputs[1..].iter().chain(&second.inputs[1..2]);
        let fits = is_depthwise && is_pointwise && simple && !reads_again;
        let op = Op::Separable { window: window.clone(), between: between.clone(), tail: tail.clone() };
        (fits && weights.all(|&v| graph.constant(v).is_some())).then_some(Pair {
            graph,
            before,
            first,
            second,
            op,
            channels,
        })
    }

    /// The operands of both in one; `None` for a bias that is not there.
    fn operands(&self) -> Vec<Option<ValueId>> {
        let (first, second) = (&self.first.inputs, &self.second.inputs);
        let mut operands = vec![Some(first[0]), Some(first[1]), first.get(2).copied()];
        operands.extend(second[1..].iter().map(|&v| Some(v)));
        operands
    }

    /// Adds both in one to a graph with these operands; returns the result.
    fn add_to(&self, graph: &mut Graph, operands: Vec<Option<ValueId>>) -> Option<ValueId> {
        let mut dims = vec![1; self.graph.ty(self.first.inputs[0]).dims.len() - 1];
        dims[0] = self.channels;
        let zeros = Tensor::zeros(DType::F32, &dims, Layout::Plain).ok()?;
        let inputs: Vec<_> =
            operands.into_iter().map(|v| v.unwrap_or_else(|| graph.add_const(None, zeros.clone()))).collect();
        let name = format!("{}+{}", self.first.name, self.second.name);
        graph.add(&name, self.op.clone(), &inputs).ok()?.pop()
    }

    /// A graph of both in one, and of nothing else.
    fn alone(&self) -> Option<Graph> {
        let mut graph = Graph::new("pair");
        let mut value = |v: ValueId| match self.graph.constant(v) {
            Some(constant) => graph.add_const(None, constant.clone()),
            None => graph.add_input("", self.graph.ty(v).clone()),
        };
        let operands = self.operands().into_iter().map(|v| v.map(&mut value)).collect();
        self.add_to(&mut graph, operands)?;
        Some(graph)
    }

    /// Whether both are to be one, by measurement or else by estimate.
    fn is_chosen(&self, target: &Target, choices: &Choices) -> bool {
        let is_held = self.graph.ty(self.first.outputs[0]).bytes() <= target.l2;
        if is_held && choices.is_empty() {
            return false;
        }
        let Some(one) = self.alone() else { return false };
        let Some((_, fused)) = one.nodes().next() else { return false };
        let is_listed = |graph: &Graph, node: &Node| {
            let layer = layer_of(graph, node);
            layer.is_some_and(|layer| !choices.ways(target.isa, &layer.workload()).is_empty())
        };
        if !choices.is_empty() {
            if is_listed(&one, fused) {
                return true;
            }
            if [self.first, self.second].iter().any(|node| is_listed(self.graph, node)) {
                return false;
            }
        }
        if is_held {
            return false;
        }
        let apart = seconds(self.graph, self.first, target).zip(seconds(self.graph, self.second, target));
        let both = apart.zip(seconds(&one, fused, target));
        both.is_some_and(|((first, second), fused)| fused < WORTH * (first + second))
    }
}

/// Estimated time of a node on blocked images, where an algorithm takes them.
fn seconds(graph: &Graph, node: &Node, target: &Target) -> Option<f64> {
    let inputs: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    let result = graph.ty(node.outputs[0]);
    let option = layout_options(&node.op, &inputs, result, target.lanes).into_iter().next()?;
    let mut region = Region::of(graph, node);
    for (ty, layout) in region.inputs.iter_mut().zip(&option.inputs) {
        ty.layout = layout.unwrap_or(ty.layout);
    }
    region.outputs[0].layout = option.output;
    let (algorithm, candidate) = choose_among(&region, target, &|_, _| true).ok()?;
    Some((algorithm.work)(&region, &candidate, target).seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MeasuredWay;
    use cnnc_ir::graph::{Candidate, parse_graph};
    use cnnc_tensor::Isa;

    /// A depthwise and a 1x1 convolution of images of so many pixels along each axis.
    fn network(size: usize, second_output: &str) -> Graph {
        let image = |channels: usize| format!("f32[1,{channels},{size},{size}]");
        let (x, made, y) = (image(32), image(32), image(16));
        let text = format!(
            r#"graph "g" {{
                %0 "x": {x} = input
                %1: f32[32,1,3,3] = const seed=1
                %2: f32[32,1,1] = const seed=2
                %3: f32[16,32,1,1] = const seed=3
                %4: {made} = conv %0, %1, %2 {{kernel=[3,3], pads_begin=[1,1], pads_end=[1,1], groups=32, tail=relu(add($0, $1))}}
                %5: {y} = conv %4, %3 {{kernel=[1,1]}}
                output "y" %5
                {second_output}
            }}"#
        );
        parse_graph(&text).unwrap_or_else(|e| panic!("{e}"))
    }

    fn fused(graph: &Graph, listed: &[&str]) -> bool {
        let target = Target::of(Isa::X86V3);
        let mut choices = Choices::new("lock", false);
        for workload in listed {
            let blocked = Layout::Blocked(target.lanes);
            let way =
                MeasuredWay { input: blocked, output: blocked, candidate: Candidate::new("any", &[]), seconds: 1.0 };
            choices.add(target.isa, workload, way);
        }
        let fused = fuse_separable(graph, &target, &choices);
        fused.is_some_and(|graph| graph.nodes().any(|(_, node)| matches!(node.op, Op::Separable { .. })))
    }

    #[test]
    fn what_no_cache_would_hold_is_not_made_whole() {
        assert!(fused(&network(256, ""), &[]));
        assert!(!fused(&network(16, ""), &[]));
    }

    #[test]
    fn what_others_read_is_made_whole() {
        assert!(!fused(&network(256, "output \"made\" %4"), &[]));
    }

    #[test]
    fn measured_layers_decide() {
        let (depthwise, both) = (
            "conv 1x32x256x256 32x1x3x3 pad=1 groups=32 tail=bias+relu",
            "separable 1x32x16x16 32x1x3x3 16x32x1x1 pad=1 between=bias+relu",
        );
        assert!(!fused(&network(256, ""), &[depthwise]));
        assert!(fused(&network(16, ""), &[both]));
    }
}
