//! Trials of other settings.

use super::Record;
use crate::statistics::median;
use crate::{Outcome, Setting, Workload};

/// What became of a candidate in another setting: on another machine, or with other code.
///
/// Its times are no measurement of the setting at hand, and it cannot be taken for one: there is no way from it to a
/// [`Trial`](crate::Trial) or to samples. It says what to try first.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior(Record);

impl Prior {
    pub(super) fn new(record: Record) -> Prior {
        Prior(record)
    }

    /// The setting that it comes from.
    pub fn setting(&self) -> &Setting {
        &self.0.setting
    }

    /// Layout of the first operand.
    pub fn input(&self) -> &str {
        &self.0.trial.input
    }

    /// Layout of the result.
    pub fn output(&self) -> &str {
        &self.0.trial.output
    }

    /// The candidate.
    pub fn candidate(&self) -> &str {
        &self.0.trial.candidate
    }

    /// When its session began, in seconds since the epoch.
    pub fn started(&self) -> f64 {
        self.0.session.started
    }

    /// The layer.
    pub fn workload(&self) -> &Workload {
        &self.0.trial.workload
    }

    /// What the cost model of that build expected there, in seconds.
    pub fn estimate(&self) -> f64 {
        self.0.trial.estimate
    }

    /// How it ended there.
    pub fn outcome(&self) -> &Outcome {
        &self.0.trial.outcome
    }

    /// What it took there, in seconds: the median with weights in memory, else with weights in the caches; `None` where
    /// it was not timed to the end.
    pub fn seconds_there(&self) -> Option<f64> {
        let trial = &self.0.trial;
        let timed = trial.outcome == Outcome::Timed;
        timed.then(|| median(&trial.samples.cold).or_else(|| median(&trial.samples.warm))).flatten()
    }
}
