//! Checks that the inference of several operators shares; every failure is a text that shows the types.

use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, broadcast_dims};

/// Result types, or what is wrong with the operands.
pub(in crate::graph) type Inferred = Result<Vec<TensorType>, String>;

/// Types as a list for messages.
pub(in crate::graph) fn list(types: &[&TensorType]) -> String {
    types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ")
}

/// Exactly `N` operands.
pub(super) fn exactly<'a, const N: usize>(inputs: &[&'a TensorType]) -> Result<[&'a TensorType; N], String> {
    inputs.try_into().map_err(|_| format!("takes {N} operands, got {}: {}", inputs.len(), list(inputs)))
}

/// The first `N` operands and the rest.
pub(super) fn at_least<'a, 'b, const N: usize>(
    inputs: &'b [&'a TensorType],
) -> Result<([&'a TensorType; N], &'b [&'a TensorType]), String> {
    match inputs.split_first_chunk::<N>() {
        Some((first, rest)) => Ok((*first, rest)),
        None => Err(format!("takes at least {N} operands, got {}: {}", inputs.len(), list(inputs))),
    }
}

/// All operands must be plain.
pub(super) fn all_plain(inputs: &[&TensorType]) -> Result<(), String> {
    ensure(inputs.iter().all(|t| t.layout == Layout::Plain), || format!("takes plain operands, got {}", list(inputs)))
}

/// `Err(what())` unless `condition`.
pub(super) fn ensure(condition: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

/// The element type must be a float.
pub(super) fn float(ty: &TensorType) -> Result<(), String> {
    ensure(ty.dtype.is_float(), || format!("takes floats, got {ty}"))
}

/// The element type must be a number, not a truth value.
pub(super) fn number(ty: &TensorType) -> Result<(), String> {
    ensure(ty.dtype != DType::Bool, || format!("takes numbers, got {ty}"))
}

/// The element type must be i32 or i64.
pub(super) fn indices(ty: &TensorType) -> Result<(), String> {
    ensure(matches!(ty.dtype, DType::I32 | DType::I64), || format!("indices must be i32 or i64, got {ty}"))
}

/// An axis must lie inside the rank.
pub(super) fn axis(axis: usize, ty: &TensorType) -> Result<(), String> {
    ensure(axis < ty.dims.len(), || format!("axis {axis} is outside {ty}"))
}

/// Axes must lie inside the rank, sorted and distinct.
pub(super) fn axes(axes: &[usize], ty: &TensorType) -> Result<(), String> {
    let sorted = axes.windows(2).all(|w| w[0] < w[1]);
    ensure(sorted, || format!("axes {axes:?} are not sorted and distinct"))?;
    axes.last().map_or(Ok(()), |&last| axis(last, ty))
}

/// A list must have one entry for each of `rank` axes.
pub(super) fn one_each(name: &str, len: usize, rank: usize, ty: &TensorType) -> Result<(), String> {
    ensure(len == rank, || format!("{name} has {len} entries, want {rank} for {ty}"))
}

/// An operand that broadcasts to a result of those dims, in a layout that may stand beside the result's.
pub(super) fn broadcasts_to(operand: &TensorType, dims: &[usize], layout: Layout) -> Result<(), String> {
    let result = TensorType { dtype: operand.dtype, dims: dims.to_vec(), layout };
    ensure(broadcast_dims(&operand.dims, dims).as_deref() == Some(dims), || {
        format!("operand {operand} does not broadcast to {result}")
    })?;
    let fits = match (operand.layout, layout) {
        (Layout::Plain, Layout::Plain) => true,
        (Layout::Plain, Layout::Blocked(_)) => operand.count() == 1 || is_per_channel(&operand.dims, dims.len()),
        (own, result) => own == result && operand.dims.len() == dims.len(),
    };
    ensure(fits, || format!("layout of operand {operand} does not fit result {result}"))
}

/// Whether dims, aligned to the last axis of a shape of that rank, are 1 everywhere but on axis 1.
fn is_per_channel(dims: &[usize], rank: usize) -> bool {
    let missing = rank - dims.len().min(rank);
    dims.iter().enumerate().all(|(k, &d)| d == 1 || k + missing == 1)
}
