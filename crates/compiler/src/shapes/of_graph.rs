//! The layers of a network, equal ones counted.

use super::{Layer, LayerOperand};
use cnnc_ir::graph::{Graph, Node, Op};
use cnnc_tensor::DType;

/// The convolutions of all kinds and matrix products of an optimized graph, in the order in which each
/// first stands there; equal ones are one with a count. Only those in f32.
pub fn layers_of(graph: &Graph) -> Vec<Layer> {
    let mut layers: Vec<Layer> = vec![];
    for (_, node) in graph.nodes() {
        let Some(layer) = layer_of(graph, node) else { continue };
        match layers.iter_mut().find(|l| l.op == layer.op && l.operands == layer.operands) {
            Some(known) => known.count += 1,
            None => layers.push(layer),
        }
    }
    layers
}

/// The layer that a node is; `None` where it is no layer of a list of shapes.
pub fn layer_of(graph: &Graph, node: &Node) -> Option<Layer> {
    let is_layer =
        matches!(node.op, Op::Conv { .. } | Op::ConvTranspose { .. } | Op::Separable { .. } | Op::MatMul { .. });
    let fixed = node.op.tail().map_or(0, |(_, fixed)| fixed);
    let all = || node.inputs.iter().chain(&node.outputs);
    if !is_layer || !all().all(|&v| graph.ty(v).dtype == DType::F32 && !graph.ty(v).dims.contains(&0)) {
        return None;
    }
    let result = &graph.ty(node.outputs[0]).dims;
    let channel = super::parse::channel_dims(&node.op, result);
    let operand = |(k, &v): (usize, &cnnc_ir::graph::ValueId)| {
        let dims = graph.ty(v).dims.clone();
        // A value for each channel is one whether the model says [C, 1, 1] or [1, C, 1, 1].
        let leading = dims.len().saturating_sub(channel.len());
        let is_channel = k >= fixed && dims[leading..] == channel[..] && dims[..leading].iter().all(|&d| d == 1);
        let constant = k > 0 && graph.constant(v).is_some();
        LayerOperand { dims: if is_channel { channel.clone() } else { dims }, constant }
    };
    let operands = node.inputs.iter().enumerate().map(operand).collect();
    // The first of several names that fusion joined.
    let note = node.name.split('+').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    Some(Layer { op: node.op.clone(), operands, count: 1, note })
}
