//! A trial with all that the database knows of it: one line of an export.

use crate::{Setting, Trial};
use serde::{Deserialize, Serialize};

/// A trial with its setting, its session and its place therein.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The session that made it.
    pub session: SessionInfo,
    /// Its index within the session, from 0 in the order made.
    pub index: u64,
    /// When it was appended, in seconds since the epoch.
    pub time: f64,
    /// What its code was made for.
    pub setting: Setting,
    /// The trial.
    pub trial: Trial,
}

/// A run of the tuner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionInfo {
    /// Its name, which no other session has.
    pub id: String,
    /// What its search drew its random numbers from.
    pub seed: u64,
    /// The command that began it.
    pub command: String,
    /// When it began, in seconds since the epoch.
    pub started: f64,
    /// When it ended; absent while it runs, or where it was killed.
    pub ended: Option<f64>,
}

/// What of a trial no database and no JSON can hold, if anything.
pub(super) fn unstorable(trial: &Trial) -> Option<&'static str> {
    let samples = &trial.samples;
    let mut times = samples.warm.iter().chain(&samples.cold).chain(&samples.incumbent).chain(&samples.network);
    if !trial.estimate.is_finite() {
        Some("its estimate is not finite")
    } else if !times.all(|seconds| seconds.is_finite()) {
        Some("one of its samples is not finite")
    } else {
        None
    }
}
