//! `non_max_suppression`: keeps the best of overlapping boxes.

use super::check::{Inferred, all_plain, ensure, exactly};
use super::number::{Evaluated, Number};
use crate::graph::TensorType;
use cnnc_tensor::{DType, Tensor};

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

/// Boxes of equal score are taken by index; a box is dropped where its overlap with a kept one is above the threshold.
pub(in crate::graph) fn eval(
    center_point: bool,
    per_class: usize,
    iou_threshold: u32,
    score_threshold: u32,
    inputs: &[&Tensor],
    results: &[TensorType],
) -> Evaluated {
    let (boxes, scores) = (inputs[0].to_f64_vec(), inputs[1].to_f64_vec());
    let (classes, count) = (inputs[1].dims()[1], inputs[1].dims()[2]);
    let [iou_threshold, score_threshold] = [iou_threshold, score_threshold].map(|bits| f64::from(f32::from_bits(bits)));
    let corners: Vec<[f64; 4]> = boxes.chunks_exact(4).map(|b| corners(b, center_point)).collect();
    let mut selected = Vec::new();
    for row in 0..inputs[1].dims()[0] * classes {
        let (batch, class) = (row / classes, row % classes);
        let scores = &scores[row * count..][..count];
        let corners = &corners[batch * count..][..count];
        let allowed = |&k: &usize| score_threshold == f64::NEG_INFINITY || scores[k] > score_threshold;
        let mut order: Vec<usize> = (0..count).filter(allowed).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut kept: Vec<usize> = vec![];
        for k in order {
            if kept.len() < per_class
                && kept.iter().all(|&other| overlap(&corners[k], &corners[other]) <= iou_threshold)
            {
                kept.push(k);
            }
        }
        selected.extend(kept.into_iter().flat_map(|k| [batch as i64, class as i64, k as i64]));
    }
    let found = (selected.len() / 3) as i64;
    selected.resize(results[0].count(), 0);
    Ok(vec![i64::tensor(&results[0], &selected)?, i64::tensor(&results[1], &[found])?])
}

/// `[low, low, high, high]` of a box given by two opposite corners or by centre and size.
fn corners(given: &[f64], center_point: bool) -> [f64; 4] {
    let (a, b, c, d) = (given[0], given[1], given[2], given[3]);
    if center_point {
        return [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0];
    }
    [a.min(c), b.min(d), a.max(c), b.max(d)]
}

/// Intersection over union; 0 for boxes without area.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |b: &[f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let side = |k: usize| (a[k + 2].min(b[k + 2]) - a[k].max(b[k])).max(0.0);
    let common = side(0) * side(1);
    let union = area(a) + area(b) - common;
    if area(a) <= 0.0 || area(b) <= 0.0 || union <= 0.0 { 0.0 } else { common / union }
}
