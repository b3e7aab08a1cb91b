//! Latency against memory: which candidates take the least time within so many bytes.
//!
//! The memory of a network's layers is their packed weights together, and the largest workspace of any: workspaces share
//! one place. For each workspace that candidates take, the layers choose among those that take no more; from the fastest
//! of each they go on by the trade that loses least time for the bytes of weights it saves. That reaches every point of
//! the lower convex hull; between two of its points the one of fewer bytes is taken.

use crate::front::{pareto, trades};
use crate::search::Search;

/// A choice of candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The point of each layer.
    pub points: Vec<usize>,
    /// Seconds of all layers, counted.
    pub seconds: f64,
    /// Bytes of packed weights of all layers, counted, and of the largest workspace.
    pub bytes: u64,
}

/// A layer: its search, and how often the network has it.
pub type Layer<'a> = (&'a Search, usize);

/// The choices that no other beats in both time and memory, the fastest first; none where a layer was never timed.
pub fn front(layers: &[Layer]) -> Vec<Choice> {
    let candidates: Vec<Vec<Timed>> = layers.iter().map(timed).collect();
    let mut limits: Vec<u64> = candidates.iter().flatten().map(|timed| timed.workspace).collect();
    limits.sort_unstable();
    limits.dedup();
    let mut found: Vec<Choice> = limits.iter().flat_map(|&limit| within(&candidates, limit)).collect();
    found.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.bytes.cmp(&b.bytes)));
    let mut least = u64::MAX;
    found.retain(|choice| {
        let better = choice.bytes < least;
        least = least.min(choice.bytes);
        better
    });
    found
}

/// The fastest choice within so many bytes; without one, the least bytes that a choice takes.
pub fn pick(layers: &[Layer], bytes: u64) -> Result<Choice, u64> {
    let front = front(layers);
    let least = front.last().map_or(0, |choice| choice.bytes);
    front.into_iter().find(|choice| choice.bytes <= bytes).ok_or(least)
}

/// A candidate that was timed to the end; seconds and packed weights those of all occurrences of its layer.
#[derive(Clone, Copy)]
struct Timed {
    point: usize,
    seconds: f64,
    workspace: u64,
    packed: u64,
}

fn timed((search, count): &Layer) -> Vec<Timed> {
    let (best, fastest) = (search.best(), search.finalists(1));
    let point = |k: usize| {
        let found = search.found(k).filter(|found| found.complete)?;
        // The winner of comparisons is the fastest, whatever its first time was.
        let first = fastest.first().filter(|_| best == Some(k)).copied();
        let seconds = search.seconds(first.unwrap_or(k)) * *count as f64;
        Some(Timed { point: k, seconds, workspace: found.workspace, packed: found.packed * *count as u64 })
    };
    (0..search.points().len()).filter_map(point).collect()
}

/// The choices of candidates whose workspace is no larger, from the fastest to the smallest.
fn within(candidates: &[Vec<Timed>], limit: u64) -> Vec<Choice> {
    let fits = |layer: &Vec<Timed>| layer.iter().copied().filter(|timed| timed.workspace <= limit).collect();
    let candidates: Vec<Vec<Timed>> = candidates.iter().map(fits).collect();
    if candidates.iter().any(Vec::is_empty) {
        return vec![];
    }
    let costs: Vec<Vec<(f64, f64)>> = candidates
        .iter()
        .map(|layer| layer.iter().map(|timed| (timed.seconds, timed.packed as f64)).collect())
        .collect();
    let fastest = |costs: &Vec<(f64, f64)>| pareto(costs).first().copied().unwrap_or(0);
    let mut at: Vec<usize> = costs.iter().map(fastest).collect();
    let choice = |at: &[usize]| {
        let chosen = || at.iter().zip(&candidates).map(|(&k, layer)| layer[k]);
        let bytes = chosen().map(|timed| timed.packed).sum::<u64>() + chosen().map(|t| t.workspace).max().unwrap_or(0);
        Choice { points: chosen().map(|t| t.point).collect(), seconds: chosen().map(|t| t.seconds).sum(), bytes }
    };
    let mut choices = vec![choice(&at)];
    for trade in trades(&costs).1 {
        at[trade.layer] = trade.candidate;
        choices.push(choice(&at));
    }
    choices
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::search::Point;
    use crate::{Outcome, Samples, Trial, Workload};
    use cnnc_ir::graph::Candidate;

    /// A search whose candidates took those seconds, workspace and packed bytes.
    fn layer(points: &[(f64, u64, u64)]) -> Search {
        let candidate = |k: usize| Candidate::new("a", &[("k", k as i64)]);
        let space =
            (0..points.len()).map(|k| Point { candidate: candidate(k), estimate: 1.0, expected: 1.0 }).collect();
        let mut search = Search::new(1, space);
        for (k, &(seconds, workspace, packed)) in points.iter().enumerate() {
            search.note(&Trial {
                error: Some(0.0),
                workspace,
                packed,
                samples: Samples { cold: vec![seconds], ..Samples::default() },
                ..Trial::new(&Workload("conv".into()), ("", ""), &candidate(k).to_string(), Outcome::Timed)
            });
        }
        search
    }

    #[test]
    fn workspaces_share_a_place_and_weights_add_up() {
        let (a, b) = (layer(&[(1.0, 100, 40), (2.0, 0, 10)]), layer(&[(1.0, 100, 0), (3.0, 0, 0)]));
        let layers = [(&a, 2), (&b, 1)];
        let sizes: Vec<(f64, u64)> = front(&layers).iter().map(|c| (c.seconds, c.bytes)).collect();
        // The fastest; smaller weights; no workspace.
        assert_eq!(sizes, [(3.0, 180), (5.0, 120), (7.0, 20)]);
        assert_eq!(pick(&layers, 179).unwrap().points, [1, 0]);
        assert_eq!(pick(&layers, 1000).unwrap().seconds, 3.0);
        assert_eq!(pick(&layers, 19), Err(20));
    }

    #[test]
    fn the_front_reaches_from_the_fastest_to_the_smallest() {
        let numbers = |seed: usize| {
            let value = |k: usize, m: usize| ((k * 37 + seed * 101) * 7919 % m) as u64;
            layer(&(0..8).map(|k| (1.0 + value(k, 97) as f64, value(k, 89) * 4, value(k, 83))).collect::<Vec<_>>())
        };
        let (a, b) = (numbers(1), numbers(2));
        let found = front(&[(&a, 1), (&b, 3)]);
        let pairs = || {
            (0..8).flat_map(|k| (0..8).map(move |j| (k, j))).map(|(k, j)| (a.found(k).unwrap(), b.found(j).unwrap()))
        };
        let least = pairs().map(|(x, y)| x.seconds + 3.0 * y.seconds).fold(f64::INFINITY, f64::min);
        let smallest = pairs().map(|(x, y)| x.packed + 3 * y.packed + x.workspace.max(y.workspace)).min();
        assert_eq!((found[0].seconds, found.last().map(|c| c.bytes)), (least, smallest));
        assert!(found.windows(2).all(|w| w[0].seconds <= w[1].seconds && w[0].bytes > w[1].bytes));
    }
}
