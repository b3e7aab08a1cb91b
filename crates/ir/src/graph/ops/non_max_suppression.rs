//! `non_max_suppression`: keeps the best of overlapping boxes.

use super::check::{Inferred, all_plain, ensure, exactly};
use crate::graph::TensorType;
use cnnc_tensor::DType;

/// Results `selected [max, 3]` and `count [1]`.
pub(in crate::graph) fn infer(per_class: usize, inputs: &[&TensorType]) -> Inferred {
    let [boxes, scores] = exactly(inputs)?;
    all_plain(inputs)?;
    let fits = boxes.dtype == DType::F32
        && scores.dtype == DType::F32
        && matches!((&boxes.dims[..], &scores.dims[..]),
            (&[batch, count, 4], &[batches, _, of]) if batch == batches && count == of);
    ensure(fits, || format!("takes f32 boxes [B, N, 4] and scores [B, C, N], got {boxes}, {scores}"))?;
    let most = per_class.min(boxes.dims[1]);
    let max = scores.dims[0].checked_mul(scores.dims[1]).and_then(|n| n.checked_mul(most));
    let max = max.ok_or_else(|| format!("{boxes}, {scores} overflow"))?;
    Ok(vec![TensorType::plain(DType::I64, &[max, 3]), TensorType::plain(DType::I64, &[1])])
}
