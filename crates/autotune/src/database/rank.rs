//! The best candidates of a workload by what was measured.

use super::{Database, DatabaseError};
use crate::paired::Paired;
use crate::statistics::median;
use crate::{Outcome, Setting, Trial, Workload};
use std::collections::BTreeMap;

/// What a candidate must keep to be the choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest error, relative to the largest element.
    pub max_error: f64,
    /// Most bytes of workspace, all threads.
    pub max_workspace: u64,
}

/// A candidate that was timed to the end and keeps the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its latest timed trial, with the samples of all timed trials of the same machine code, in the order taken, and
    /// the largest error of them.
    pub trial: Trial,
    /// Time with weights in memory, in seconds: what it is ranked by.
    pub seconds: f64,
    /// How many trials its samples come from.
    pub measurements: usize,
}

impl Ranked {
    /// All candidates of one workload in one setting that may be chosen, by its trials in the order of the log; the best
    /// first, each once, by its time with weights in memory as [`Paired`] has it. Equal times go by layouts and candidate.
    ///
    /// A candidate that ever computed wrong numbers there is not among them, nor one that failed when it was last tried.
    pub fn all(trials: impl IntoIterator<Item = Trial>) -> Vec<Ranked> {
        let mut candidates: BTreeMap<_, Vec<Trial>> = BTreeMap::new();
        let mut places: BTreeMap<_, Paired> = BTreeMap::new();
        for trial in trials {
            let place = (trial.input.clone(), trial.output.clone());
            places.entry(place.clone()).or_default().note(&trial);
            candidates.entry((place, trial.candidate.clone())).or_default().push(trial);
        }
        let rank = |((place, candidate), trials): ((_, String), Vec<Trial>)| {
            let (ranked, paired) = (merged(trials)?, places.get(&place)?);
            // The winner of comparisons stands before whoever it was compared with.
            let first = paired.settled() == Some(candidate.as_str());
            let seconds = if first { paired.least() } else { paired.seconds(&candidate) };
            Some((first, Ranked { seconds, ..ranked }))
        };
        let mut ranked: Vec<(bool, Ranked)> = candidates.into_iter().filter_map(rank).collect();
        ranked.sort_by(|(a_first, a), (b_first, b)| a.seconds.total_cmp(&b.seconds).then(b_first.cmp(a_first)));
        ranked.into_iter().map(|(_, ranked)| ranked).collect()
    }
}

impl Database {
    /// The `count` fastest candidates of a workload in a setting that keep the limits, as [`Ranked::all`] has them.
    pub fn best(
        &self,
        setting: &Setting,
        workload: &Workload,
        limits: Limits,
        count: usize,
    ) -> Result<Vec<Ranked>, DatabaseError> {
        let mut ranked = Ranked::all(self.trials(setting, workload)?);
        ranked.retain(|r| {
            let exact = r.trial.error.is_some_and(|error| error <= limits.max_error);
            exact && r.trial.workspace <= limits.max_workspace
        });
        ranked.truncate(count);
        Ok(ranked)
    }
}

/// All trials of one candidate as one, where it may be chosen.
fn merged(trials: Vec<Trial>) -> Option<Ranked> {
    let fails = |trial: &Trial| match trial.outcome {
        Outcome::Timed | Outcome::Compared | Outcome::StoppedEarly | Outcome::SameCode => false,
        Outcome::NotCompiled(_) | Outcome::Wrong | Outcome::Crashed(_) => true,
        Outcome::TimedOut | Outcome::OutOfMemory => true,
    };
    if trials.iter().any(|trial| trial.outcome == Outcome::Wrong) || trials.last().is_some_and(fails) {
        return None;
    }
    let timed = |trial: &Trial| trial.outcome == Outcome::Timed && !trial.samples.cold.is_empty();
    let mut latest = trials.iter().rev().find(|trial| timed(trial))?.clone();
    let same: Vec<&Trial> = trials.iter().filter(|trial| timed(trial) && trial.code == latest.code).collect();
    let all = |of: fn(&Trial) -> &Vec<f64>| same.iter().flat_map(|trial| of(trial)).copied().collect::<Vec<f64>>();
    latest.samples.warm = all(|trial| &trial.samples.warm);
    latest.samples.cold = all(|trial| &trial.samples.cold);
    latest.samples.incumbent = all(|trial| &trial.samples.incumbent);
    latest.error = same.iter().filter_map(|trial| trial.error).reduce(f64::max);
    let (seconds, measurements) = (median(&latest.samples.cold)?, same.len());
    Some(Ranked { trial: latest, seconds, measurements })
}
