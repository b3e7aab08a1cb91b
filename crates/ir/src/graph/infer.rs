//! Result types of operators: the dispatch to one function an operator in [`ops`], and what holds of every type.

use super::ops::check::{Inferred, list};
use super::ops::*;
use super::{Op, TensorType};
use cnnc_tensor::Layout;

/// Why an operator does not take its operands.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{op}: {what}")]
pub struct InferError {
    /// Name of the operator.
    pub op: &'static str,
    /// What is wrong, with the shapes.
    pub what: String,
}

/// The result types of an operator on operands of those types.
pub fn infer(op: &Op, inputs: &[&TensorType]) -> Result<Vec<TensorType>, InferError> {
    let checked = inputs.iter().try_for_each(|ty| check_type(ty)).and_then(|()| dispatch(op, inputs));
    let results = checked.map_err(|what| InferError { op: op.name(), what })?;
    for ty in &results {
        check_type(ty).map_err(|e| InferError { op: op.name(), what: format!("{e} from {}", list(inputs)) })?;
    }
    Ok(results)
}

/// What must hold of every type: a blocked layout has axes to block, and the bytes fit into memory.
pub(super) fn check_type(ty: &TensorType) -> Result<(), String> {
    if let Layout::Blocked(block) = ty.layout
        && (block < 2 || ty.dims.len() < 2)
    {
        return Err(format!("{ty} cannot be blocked"));
    }
    let logical = cnnc_tensor::element_count(&ty.dims);
    let bytes = ty.layout.physical_count(&ty.dims).and_then(|n| n.checked_mul(ty.dtype.size()));
    match (logical, bytes) {
        (Some(_), Some(bytes)) if bytes <= isize::MAX as usize / 2 => Ok(()),
        _ => Err(format!("{ty} has more elements than memory can hold")),
    }
}

fn dispatch(op: &Op, inputs: &[&TensorType]) -> Inferred {
    match op {
        Op::Map { expr, dims } => map::infer(expr, dims, inputs),
        Op::Conv { window, groups, tail, .. } => conv::infer(window, *groups, tail, inputs),
        Op::ConvTranspose { window, output_pads, groups, tail } => {
            conv_transpose::infer(window, output_pads, *groups, tail, inputs)
        }
        Op::Separable { window, between, tail } => separable::infer(window, between, tail, inputs),
        Op::MatMul { trans_a, trans_b, tail } => matmul::infer(*trans_a, *trans_b, tail, inputs),
        Op::Pool { kind, window, count_pads_end, indices, .. } => {
            pool::infer(*kind, window, count_pads_end, *indices, inputs)
        }
        Op::Reduce { kind, axes, keep_dims } => reduce::infer(*kind, axes, *keep_dims, inputs),
        Op::ArgReduce { axis, keep_dims, .. } => arg_reduce::infer(*axis, *keep_dims, inputs),
        Op::Softmax { axis, end, .. } => softmax::infer(*axis, *end, inputs),
        Op::Normalize { axes, tail, .. } => normalize::infer(axes, tail, inputs),
        Op::Lrn { size, .. } => lrn::infer(*size, inputs),
        Op::Concat { axis } => concat::infer(*axis, inputs),
        Op::Slice { starts, steps, dims } => slice::infer(starts, steps, dims, inputs),
        Op::Pad { mode, begin, end } => pad::infer(*mode, begin, end, inputs),
        Op::Reshape { dims } => reshape::infer(dims, inputs),
        Op::Transpose { perm } => transpose::infer(perm, inputs),
        Op::Broadcast { dims } => broadcast::infer(dims, inputs),
        Op::Gather { axis } => gather::infer(*axis, inputs),
        Op::GatherElements { axis } => gather_elements::infer(*axis, inputs),
        Op::GatherNd { batch_dims } => gather_nd::infer(*batch_dims, inputs),
        Op::ScatterElements { axis, kind } => scatter_elements::infer(*axis, *kind, inputs),
        Op::ScatterNd { kind } => scatter_nd::infer(*kind, inputs),
        Op::TopK { k, axis, .. } => top_k::infer(*k, *axis, inputs),
        Op::CumSum { axis, .. } => cum_sum::infer(*axis, inputs),
        Op::Resize { axes, sizes } => resize::infer(axes, sizes, inputs),
        Op::GridSample { .. } => grid_sample::infer(inputs),
        Op::NonMaxSuppression { per_class, .. } => non_max_suppression::infer(*per_class, inputs),
        Op::FilterTransform { outputs, strides } => filter_transform::infer((outputs, strides), inputs),
        Op::FilterSpectrum { sizes } => filter_spectrum::infer(sizes, inputs),
        Op::Combine { coefficients } => combine::infer(coefficients, inputs),
        Op::Convert { layout } => convert::infer(*layout, inputs),
    }
}
