//! The search over the candidates of one layer: which to try next, given what was found so far.
//!
//! A pure function of the seed and of the trials in order: whoever replays a log gets the same proposals and the same
//! winner. Proposals come in rounds. The first takes the best of each algorithm by estimate; later ones mix what is
//! predicted to be fastest, neighbours of the best, and a few at random. A prediction is the estimate, corrected by how
//! far off it was on the nearest candidates that were timed.

mod predict;
mod propose;
mod random;

use crate::paired::Paired;
use crate::{Outcome, Trial};
use cnnc_ir::graph::Candidate;
pub use random::Random;
use std::collections::HashMap;

/// Candidates of a round.
pub const ROUND: usize = 16;
/// Share of a layer's time that the first round is expected to gain; the k-th, so much divided by the square of k.
const UNKNOWN: f64 = 0.25;

/// A candidate of the space.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The candidate.
    pub candidate: Candidate,
    /// Estimated seconds, by the analytic cost.
    pub estimate: f64,
    /// Expected seconds: the estimate as far as nothing else is known.
    pub expected: f64,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    seed: u64,
    /// Whether all candidates are to be tried.
    exhaustive: bool,
    points: Vec<Point>,
    by_text: HashMap<String, usize>,
    /// What is known of each point; for the untried nothing.
    known: Vec<Option<Found>>,
    rounds: usize,
    /// Their times.
    paired: Paired,
    /// Time of the best after each round.
    progress: Vec<f64>,
}

/// What a trial has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Seconds, weights in memory: the median, of few runs where it was given up; infinite where it failed.
    pub seconds: f64,
    /// Measured error.
    pub error: f64,
    /// Bytes of workspace, all threads.
    pub workspace: u64,
    /// Bytes of packed weights.
    pub packed: u64,
    /// Whether it was timed to the end.
    pub complete: bool,
}

impl Search {
    /// A search over a space, the first expected to be the fastest.
    pub fn new(seed: u64, points: Vec<Point>) -> Search {
        let by_text = points.iter().enumerate().map(|(k, p)| (p.candidate.to_string(), k)).collect();
        let known = vec![None; points.len()];
        Search {
            seed,
            exhaustive: false,
            points,
            by_text,
            known,
            rounds: 0,
            paired: Paired::default(),
            progress: vec![],
        }
    }

    /// A search that tries every candidate.
    pub fn exhaustive(points: Vec<Point>) -> Search {
        Search { exhaustive: true, ..Search::new(0, points) }
    }

    /// The space.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Points that were tried.
    pub fn tried(&self) -> usize {
        self.known.iter().flatten().count()
    }

    /// Points that were timed to the end.
    pub fn timed(&self) -> usize {
        self.known.iter().flatten().filter(|found| found.complete).count()
    }

    /// Takes note of a trial; those of candidates outside the space are ignored.
    pub fn note(&mut self, trial: &Trial) {
        let Some(k) = self.point_named(&trial.candidate) else { return };
        self.paired.note(trial);
        if trial.outcome == Outcome::Compared {
            return;
        }
        let complete = matches!(trial.outcome, Outcome::Timed | Outcome::SameCode);
        if self.known[k].is_none_or(|before| complete || !before.complete) {
            let (workspace, packed) = (trial.workspace, trial.packed);
            let (seconds, error) = (self.paired.seconds(&trial.candidate), trial.error.unwrap_or(f64::INFINITY));
            self.known[k] = Some(Found { seconds, error, workspace, packed, complete });
        }
    }

    /// Goes on after trials of before: they count as the rounds that they would have been, a few alone as none.
    pub fn resume(&mut self) {
        let rounds = (self.tried() + ROUND / 2) / ROUND;
        while self.rounds < rounds {
            self.end_round();
        }
    }

    /// The point of a candidate, by its text.
    pub fn point_named(&self, candidate: &str) -> Option<usize> {
        self.by_text.get(candidate).copied()
    }

    /// Ends a round: takes note of how far the search has come.
    pub fn end_round(&mut self) {
        self.rounds += 1;
        self.progress.push(self.best().map_or(f64::INFINITY, |k| self.seconds(k)));
    }

    /// The winner of the comparisons, else the fastest candidate that was timed to the end.
    pub fn best(&self) -> Option<usize> {
        let settled = self.paired.settled().and_then(|winner| self.point_named(winner));
        settled.or_else(|| self.finalists(1).first().copied())
    }

    /// What others are measured in turn with.
    pub fn reference(&self) -> Option<usize> {
        self.point_named(self.paired.reference()?)
    }

    /// The fastest candidates that were timed to the end, in order.
    pub fn finalists(&self, most: usize) -> Vec<usize> {
        let complete = |&k: &usize| self.known[k].is_some_and(|found| found.complete);
        let mut found: Vec<usize> = (0..self.points.len()).filter(complete).collect();
        found.sort_by(|&a, &b| self.seconds(a).total_cmp(&self.seconds(b)).then(a.cmp(&b)));
        found.truncate(most);
        found
    }

    /// Measured seconds of a point; infinite where it was not timed.
    pub fn seconds(&self, point: usize) -> f64 {
        self.known[point].map_or(f64::INFINITY, |found| found.seconds)
    }

    /// What is known of a point.
    pub fn found(&self, point: usize) -> Option<Found> {
        self.known[point]
    }

    /// The share of its time that the layer is expected to lose by another round.
    pub fn expected_gain(&self) -> f64 {
        if self.tried() >= self.points.len() {
            return 0.0;
        }
        if self.exhaustive {
            return 1.0;
        }
        // What no round has shown yet, and what the last ones have.
        let unknown = UNKNOWN / (self.rounds as f64 + 1.0).powi(2);
        let last = self.progress.windows(2).rev().take(2).map(|w| (w[0] / w[1] - 1.0).clamp(0.0, 1.0));
        unknown + 0.5 * last.sum::<f64>() / 2.0
    }

    /// Rounds until less than a share of the layer's time is expected to be gained, should none of them gain anything.
    pub fn rounds_left(&self, worthless: f64) -> usize {
        let untried = (self.points.len() - self.tried()).div_ceil(ROUND);
        if self.exhaustive {
            return untried;
        }
        let enough = ((UNKNOWN / worthless).sqrt() - 1.0).ceil();
        (enough.max(0.0) as usize).saturating_sub(self.rounds).min(untried)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Samples, Workload};

    /// A space of two algorithms where the estimate is wrong about one parameter.
    fn space() -> Vec<Point> {
        let cost = |algorithm: &str, mr: i64| {
            1e-3 + 1e-5 * (mr as f64 - 20.0).abs() + if algorithm == "b" { 1e-4 } else { 0.0 }
        };
        let point = |algorithm: &str, mr: i64, nv: i64| Point {
            candidate: Candidate::new(algorithm, &[("mr", mr), ("nv", nv)]),
            estimate: cost(algorithm, mr),
            expected: cost(algorithm, mr),
        };
        let mut points: Vec<Point> = ["a", "b"]
            .iter()
            .flat_map(|a| (1..20).flat_map(move |mr| (1..5).map(move |nv| point(a, mr, nv))))
            .collect();
        points.sort_by(|a, b| a.expected.total_cmp(&b.expected));
        points
    }

    fn real(candidate: &Candidate) -> f64 {
        let [mr, nv] = ["mr", "nv"].map(|key| candidate.params[key] as f64);
        let base = if candidate.algorithm == "b" { 0.8e-3 } else { 1e-3 };
        base * (1.0 + 0.05 * (mr - 7.0).abs() + 0.2 * (nv - 3.0).abs())
    }

    fn trial(point: &Point) -> Trial {
        let candidate = point.candidate.to_string();
        Trial {
            estimate: point.estimate,
            error: Some(1e-7),
            samples: Samples { cold: vec![real(&point.candidate); 3], ..Samples::default() },
            ..Trial::new(&Workload("conv".into()), ("plain", "plain"), &candidate, Outcome::Timed)
        }
    }

    fn searched(seed: u64, rounds: usize) -> (Search, Vec<Trial>) {
        let mut search = Search::new(seed, space());
        let mut log = vec![];
        for _ in 0..rounds {
            for k in search.propose() {
                let trial = trial(&search.points()[k].clone());
                search.note(&trial);
                log.push(trial);
            }
            search.end_round();
        }
        (search, log)
    }

    #[test]
    fn the_best_is_found_in_half_of_the_space() {
        let (search, log) = searched(1, 4);
        assert!(log.len() <= 4 * ROUND && 2 * log.len() < search.points().len());
        let best = &search.points()[search.best().unwrap()].candidate;
        assert_eq!(best.to_string(), "b(mr=7, nv=3)");
    }

    #[test]
    fn a_replay_of_the_log_ends_alike() {
        let (search, log) = searched(7, 3);
        let mut replayed = Search::new(7, space());
        for round in log.chunks(ROUND) {
            let proposed: Vec<String> =
                replayed.propose().iter().map(|&k| replayed.points()[k].candidate.to_string()).collect();
            assert_eq!(proposed, round.iter().map(|t| t.candidate.clone()).collect::<Vec<_>>());
            round.iter().for_each(|trial| replayed.note(trial));
            replayed.end_round();
        }
        assert_eq!(replayed.finalists(5), search.finalists(5));
        assert_eq!(replayed.expected_gain(), search.expected_gain());
    }

    #[test]
    fn as_many_rounds_are_left_as_follow_where_none_gains() {
        for worthless in [0.3, 0.2, 0.05, 0.013, 0.01, 0.001] {
            let mut search = Search::new(5, space());
            let (foreseen, mut rounds) = (search.rounds_left(worthless), 0);
            while search.expected_gain() > worthless {
                search.propose().into_iter().for_each(|k| {
                    let trial = Trial {
                        samples: Samples { cold: vec![1.0; 3], ..Samples::default() },
                        ..trial(&search.points()[k].clone())
                    };
                    search.note(&trial);
                });
                search.end_round();
                rounds += 1;
                assert_eq!(search.rounds_left(worthless), foreseen - rounds);
            }
            assert_eq!(rounds, foreseen, "{worthless}");
        }
    }

    #[test]
    fn nothing_is_proposed_twice_and_failures_lose() {
        let mut search = Search::new(3, space());
        let mut seen = std::collections::HashSet::new();
        while search.expected_gain() > 0.0 {
            let proposed = search.propose();
            if proposed.is_empty() {
                break;
            }
            for k in proposed {
                assert!(seen.insert(k));
                let outcome = if k % 2 == 0 { Outcome::TimedOut } else { Outcome::Timed };
                search.note(&Trial { outcome, ..trial(&search.points()[k].clone()) });
            }
            search.end_round();
        }
        assert!(search.best().unwrap() % 2 == 1);
    }
}
