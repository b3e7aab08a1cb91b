//! `pool`: maximum, average and Lp pooling over the spatial axes.

use super::check::{Inferred, ensure, exactly, float, number, one_each};
use super::{PoolKind, Window};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout};

/// Result layout: that of `x`; indices are given for plain operands only.
pub(in crate::graph) fn infer(
    kind: PoolKind,
    window: &Window,
    count_pads_end: &[usize],
    indices: bool,
    inputs: &[&TensorType],
) -> Inferred {
    let [x] = exactly(inputs)?;
    window.check(x)?;
    match kind {
        PoolKind::Max => number(x)?,
        _ => float(x)?,
    }
    let counted = if kind == PoolKind::AverageIncludePad { window.kernel.len() } else { 0 };
    one_each("count_pads_end", count_pads_end.len(), counted, x)?;
    ensure(!matches!(kind, PoolKind::Lp(0)), || "the norm must be positive".to_string())?;
    ensure(!indices || kind == PoolKind::Max, || format!("{kind:?} pooling has no indices"))?;
    ensure(!indices || x.layout == Layout::Plain, || format!("indices need a plain operand, got {x}"))?;
    let mut dims = vec![x.dims[0], x.dims[1]];
    dims.extend(window.output_sizes(x)?);
    let pooled = TensorType { dtype: x.dtype, dims, layout: x.layout };
    let positions = indices.then(|| TensorType { dtype: DType::I64, ..pooled.clone() });
    Ok(std::iter::once(pooled).chain(positions).collect())
}
