//! Scales behind a convolution or matrix product with constant weights move into the weights, shifts into one bias:
//! batch normalisation disappears.

use crate::Pass;
use crate::affine::{affine_beginning, channel_values, replace_beginning};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter};
use cnnc_tensor::{DType, Tensor};

/// The pass.
pub const PASS: Pass = Pass {
    name: "fold_scale",
    about: "batch norm behind a convolution moves into its weights and bias",
    accuracy: Accuracy::Rounding,
    run: fold_scale,
};

fn fold_scale(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        match folded(graph, node) {
            Some(fold) if node.candidate.is_none() => {
                let mut inputs: Vec<_> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
                let name = graph.value(node.inputs[1]).name.as_deref();
                inputs[1] = rewriter.new.add_const(name, fold.weights);
                inputs.extend(fold.bias.map(|bias| rewriter.new.add_const(None, bias)));
                let ty = graph.ty(node.outputs[0]).clone();
                let new = rewriter.new.add_typed(&node.name, fold.op, &inputs, vec![ty], None)[0];
                rewriter.set(node.outputs[0], new);
                changed = true;
            }
            _ => rewriter.copy(id),
        }
    }
    changed.then(|| rewriter.finish())
}

struct Fold {
    op: Op,
    weights: Tensor,
    bias: Option<Tensor>,
}

fn folded(graph: &Graph, node: &Node) -> Option<Fold> {
    let (tail, fixed) = node.op.tail()?;
    let result = graph.ty(node.outputs[0]);
    let weights = graph.constant(*node.inputs.get(1)?)?;
    let (result_axis, weight_axis) = channel_axes(&node.op, weights.dims(), &result.dims)?;
    if result.dtype != DType::F32 || weights.dtype() != DType::F32 {
        return None;
    }
    let per_channel = |k: u32| {
        let tensor = graph.constant(*node.inputs.get(fixed + k as usize - 1)?)?;
        channel_values(tensor, &result.dims, result_axis)
    };
    let channels = result.dims[result_axis];
    let affine = affine_beginning(tail, 0, channels, &per_channel)?;
    let scaled = affine.scale.iter().any(|&s| s != 1.0);
    let finite = affine.scale.iter().chain(&affine.shift).all(|v| v.is_finite());
    if !finite || (!scaled && affine.steps < 2) {
        return None;
    }
    let shifted = affine.shift.iter().any(|&t| t != 0.0);
    let operand = (node.inputs.len() - fixed + 1) as u32;
    let mut op = node.op.clone();
    *op.tail_mut()? = replace_beginning(tail, affine.end, shifted.then_some(operand));
    let mut dims = vec![1; result.dims.len() - result_axis];
    dims[0] = channels;
    let bias = if shifted { Some(Tensor::from_f64(DType::F32, &dims, &affine.shift).ok()?) } else { None };
    let groups = if let Op::ConvTranspose { groups, .. } = node.op { groups } else { 1 };
    let weights = scaled_along(weights, weight_axis, groups, &affine.scale);
    (is_finite(&weights) && bias.as_ref().is_none_or(is_finite)).then_some(Fold { op, weights, bias })
}

/// The axes of the output channels in the result and in the weights. Where a transposed convolution has groups, its
/// weights hold one group's channels for each operand channel: [`scaled_along`] is told.
fn channel_axes(op: &Op, weights: &[usize], result: &[usize]) -> Option<(usize, usize)> {
    match op {
        Op::Conv { .. } => Some((1, 0)),
        Op::ConvTranspose { .. } => Some((1, 1)),
        Op::MatMul { trans_b, .. } if weights.len() == 2 => Some((result.len() - 1, usize::from(!trans_b))),
        _ => None,
    }
}

/// Whether every element of an f32 tensor is finite: a product of large factors may overflow where the model's own
/// order of operations does not.
pub(crate) fn is_finite(tensor: &Tensor) -> bool {
    tensor.as_slice::<f32>().is_some_and(|values| values.iter().all(|v| v.is_finite()))
}

/// An f32 tensor times one factor for each index of an axis, rounded once. With groups the first axis is divided into
/// as many parts, each of which has its own factors.
fn scaled_along(tensor: &Tensor, axis: usize, groups: usize, factors: &[f64]) -> Tensor {
    let mut scaled = tensor.clone();
    let inner: usize = tensor.dims()[axis + 1..].iter().product();
    let count = tensor.dims()[axis];
    let part = (tensor.count() / groups).max(1);
    if let Some(values) = scaled.as_slice_mut::<f32>() {
        for (k, value) in values.iter_mut().enumerate() {
            let factor = factors[k / part * (factors.len() / groups) + k / inner % count];
            *value = (f64::from(*value) * factor) as f32;
        }
    }
    scaled
}
