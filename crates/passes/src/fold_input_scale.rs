//! A scale and shift per channel before an unpadded convolution with constant weights moves into it: batch
//! normalisation before a convolution. With padding only a scale can move, since the padding is not shifted.

use crate::Pass;
use crate::affine::{affine_beginning, channel_values, replace_beginning};
use crate::fold_scale::is_finite;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::ops::group_of;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, ValueId};
use cnnc_tensor::{DType, Tensor};

/// The pass.
pub const PASS: Pass = Pass {
    name: "fold_input_scale",
    about: "batch norm before a convolution moves into its weights and bias",
    accuracy: Accuracy::Rounding,
    run: fold_input_scale,
};

fn fold_input_scale(graph: &Graph) -> Option<Graph> {
    let users = graph.users();
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let single = node.inputs.first().is_some_and(|v| users[v.0 as usize].len() == 1 && !graph.is_output(*v));
        match folded(graph, node).filter(|_| single && node.candidate.is_none()) {
            Some(fold) => {
                let mut inputs = vec![rewriter.get(fold.source)];
                let name = graph.value(node.inputs[1]).name.as_deref();
                inputs.push(rewriter.new.add_const(name, fold.weights));
                inputs.extend(node.inputs[2..].iter().map(|&v| rewriter.get(v)));
                inputs.extend(fold.bias.map(|bias| rewriter.new.add_const(None, bias)));
                let ty = graph.ty(node.outputs[0]).clone();
                let name = format!("{}+{}", fold.name, node.name);
                let new = rewriter.new.add_typed(&name, fold.op, &inputs, vec![ty], None)[0];
                rewriter.set(node.outputs[0], new);
                changed = true;
            }
            None => rewriter.copy(id),
        }
    }
    changed.then(|| rewriter.finish())
}

struct Fold<'a> {
    source: ValueId,
    name: &'a str,
    op: Op,
    weights: Tensor,
    bias: Option<Tensor>,
}

fn folded<'a>(graph: &'a Graph, node: &Node) -> Option<Fold<'a>> {
    let Op::Conv { window, groups, interleaved, tail } = &node.op else { return None };
    let map = graph.node(graph.producer(node.inputs[0])?);
    let (Op::Map { expr, .. }, None) = (&map.op, &map.candidate) else { return None };
    let weights = graph.constant(node.inputs[1])?;
    let ty = graph.ty(node.inputs[0]);
    let image = map.inputs.iter().position(|&v| graph.ty(v) == ty)?;
    if ty.dtype != DType::F32 || weights.dtype() != DType::F32 {
        return None;
    }
    let per_channel = |k: u32| channel_values(graph.constant(map.inputs[k as usize])?, &ty.dims, 1);
    let affine = affine_beginning(expr, image as u32, ty.dims[1], &per_channel)?;
    let whole = affine.end == expr.result() && affine.steps > 0;
    let once = expr.nodes().iter().filter(|n| **n == ExprNode::Input(image as u32)).count() == 1;
    let shifted = affine.shift.iter().any(|&t| t != 0.0);
    let padded = window.pads_begin.iter().chain(&window.pads_end).any(|&p| p > 0);
    let finite = affine.scale.iter().chain(&affine.shift).all(|v| v.is_finite());
    if !whole || !once || !finite || (shifted && padded) {
        return None;
    }
    let group = |output: usize| group_of(output, weights.dims()[0], *groups, *interleaved);
    let (scaled, sums) = fold_weights(weights, &group, &affine.scale, &affine.shift);
    let operand = (node.inputs.len() - 1) as u32;
    let new_tail = match (shifted, tail.nodes().iter().position(|n| *n == ExprNode::Input(0))) {
        (true, Some(start)) => replace_beginning(tail, cnnc_ir::expr::ExprId(start as u32), Some(operand)),
        _ => tail.clone(),
    };
    let mut dims = vec![1; weights.dims().len() - 1];
    dims[0] = sums.len();
    let bias = if shifted { Some(Tensor::from_f64(DType::F32, &dims, &sums).ok()?) } else { None };
    if !is_finite(&scaled) || !bias.as_ref().is_none_or(is_finite) {
        return None;
    }
    let op = Op::Conv { window: window.clone(), groups: *groups, interleaved: *interleaved, tail: new_tail };
    Some(Fold { source: map.inputs[image], name: &map.name, op, weights: scaled, bias })
}

/// The weights `[O, C/groups, ..]` times the input channels' scales, and for each output the weighted sum of shifts.
/// `group` says which group an output reads.
fn fold_weights(weights: &Tensor, group: &dyn Fn(usize) -> usize, scale: &[f64], shift: &[f64]) -> (Tensor, Vec<f64>) {
    let mut scaled = weights.clone();
    let (outputs, inputs) = (weights.dims()[0], weights.dims()[1]);
    let taps: usize = weights.dims()[2..].iter().product();
    let mut sums = vec![0.0; outputs];
    if let Some(values) = scaled.as_slice_mut::<f32>() {
        for (k, value) in values.iter_mut().enumerate() {
            let output = k / (inputs * taps);
            let channel = group(output) * inputs + k / taps % inputs;
            sums[output] += f64::from(*value) * shift[channel];
            *value = (f64::from(*value) * scale[channel]) as f32;
        }
    }
    (scaled, sums)
}
