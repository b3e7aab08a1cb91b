//! Predicted time of a candidate: its estimate, corrected by the nearest candidates that were timed.

use super::{Found, Point};
use cnnc_ir::graph::Candidate;

/// Neighbours that take part.
const NEIGHBOURS: usize = 6;

/// Seconds that a point is predicted to take. Errors of estimates carry over from the nearest points of its algorithm;
/// where none was timed, the estimate stands.
pub fn predict(points: &[Point], known: &[Option<Found>], at: usize) -> f64 {
    let point = &points[at];
    let mut near: Vec<(f64, f64)> = points
        .iter()
        .zip(known)
        .filter_map(|(other, found)| {
            let seconds = found.filter(|f| f.seconds.is_finite())?.seconds;
            Some((distance(&point.candidate, &other.candidate)?, (seconds / other.expected).ln()))
        })
        .filter(|(_, off)| off.is_finite())
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    near.truncate(NEIGHBOURS);
    let weight: f64 = near.iter().map(|(d, _)| 1.0 / (0.1 + d)).sum();
    let off: f64 = near.iter().map(|(d, off)| off / (0.1 + d)).sum();
    point.expected * if near.is_empty() { 1.0 } else { (off / weight).exp() }
}

/// How far two candidates of an algorithm are apart: the sum over their parameters of how often one is the double of the
/// other. `None` between algorithms.
pub fn distance(a: &Candidate, b: &Candidate) -> Option<f64> {
    if a.algorithm != b.algorithm {
        return None;
    }
    let scale = |value: i64| (value.max(0) as f64 + 1.0).log2();
    let apart = |(key, &value): (&String, &i64)| {
        let other = b.params.get(key).copied().unwrap_or(0);
        (scale(value) - scale(other)).abs()
    };
    Some(a.params.iter().map(apart).sum())
}
