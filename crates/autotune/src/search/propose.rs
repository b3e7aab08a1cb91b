//! Which candidates a round tries: see [`Search`].

use super::predict::{distance, predict};
use super::{ROUND, Random, Search};
use std::collections::HashMap;

/// Candidates of an algorithm in the first round.
const FIRST: usize = 3;
/// The first round takes no candidate that is estimated to take so many times as long as the best.
const HOPELESS: f64 = 2.5;
/// The best candidates, whose neighbours are tried.
const PARENTS: usize = 4;
/// Neighbours among which one is drawn.
const NEAR: usize = 8;
/// Random candidates are not predicted to take more than so many times as long as the best.
const DISTANT: f64 = 2.0;

impl Search {
    /// The candidates to try next: at most a round of points that were not tried.
    pub fn propose(&self) -> Vec<usize> {
        if self.exhaustive {
            return (0..self.points.len()).filter(|&k| self.known[k].is_none()).take(ROUND).collect();
        }
        if self.rounds == 0 {
            return self.first();
        }
        let mut random = Random::new(self.seed, self.rounds as u64);
        let untried: Vec<usize> = (0..self.points.len()).filter(|&k| self.known[k].is_none()).collect();
        let mut predicted: Vec<(f64, usize)> =
            untried.iter().map(|&k| (predict(&self.points, &self.known, k), k)).collect();
        predicted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut taken: Vec<usize> = predicted.iter().take(ROUND / 2).map(|&(_, k)| k).collect();
        let parents = self.finalists(PARENTS);
        for k in 0..ROUND * 3 / 8 {
            let Some(&parent) = parents.get(k % parents.len().max(1)) else { break };
            let mut near: Vec<(f64, usize)> = untried
                .iter()
                .filter(|k| !taken.contains(k))
                .filter_map(|&k| Some((distance(&self.points[parent].candidate, &self.points[k].candidate)?, k)))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(NEAR);
            if !near.is_empty() {
                taken.push(near[random.below(near.len())].1);
            }
        }
        let bound = DISTANT * self.best().map_or(f64::INFINITY, |k| self.seconds(k));
        let mut rest: Vec<usize> =
            predicted.iter().filter(|(seconds, k)| *seconds < bound && !taken.contains(k)).map(|&(_, k)| k).collect();
        while taken.len() < ROUND && !rest.is_empty() {
            taken.push(rest.swap_remove(random.below(rest.len())));
        }
        taken
    }

    /// The first round: the choice by estimate, some of each algorithm, then those that are expected to be the fastest.
    fn first(&self) -> Vec<usize> {
        let by_estimate = (0..self.points.len()).min_by(|&a, &b| {
            let (a, b) = (&self.points[a], &self.points[b]);
            a.estimate.total_cmp(&b.estimate)
        });
        let bound = HOPELESS * self.points.first().map_or(0.0, |p| p.expected);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let untried = |k: &usize| self.known[*k].is_none();
        let mut taken: Vec<usize> = (0..self.points.len())
            .filter(untried)
            .filter(|&k| {
                let count = counts.entry(&self.points[k].candidate.algorithm).or_default();
                *count += 1;
                Some(k) == by_estimate || *count <= FIRST && self.points[k].expected <= bound
            })
            .collect();
        let more: Vec<usize> = (0..self.points.len()).filter(untried).filter(|k| !taken.contains(k)).collect();
        taken.extend(more.into_iter().take(ROUND.saturating_sub(taken.len())));
        taken.truncate(ROUND);
        taken
    }
}
