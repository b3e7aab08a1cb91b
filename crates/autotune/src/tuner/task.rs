//! What tuning is given, and what it tells.

use crate::search::Search;
use crate::{Setting, Trial, Workload};
use std::collections::HashMap;
use std::time::Duration;

/// A layer to be tuned.
#[derive(Clone, Debug)]
pub struct Task {
    /// The layer.
    pub workload: Workload,
    /// Layout of the first operand: `plain`, `c16`.
    pub input: String,
    /// Layout of the result.
    pub output: String,
    /// How often all networks have it.
    pub count: usize,
    /// The candidate that would be chosen without tuning.
    pub untuned: String,
    /// The search.
    pub search: Search,
    /// Trials that timed a machine code, by its hash.
    pub codes: HashMap<String, Trial>,
    /// Bytes of its operands.
    pub bytes: usize,
}

/// What tuning keeps to.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// What code is made for.
    pub setting: Setting,
    /// How long it may take.
    pub budget: Duration,
    /// Networks that the layers are of.
    pub networks: usize,
    /// A candidate whose error is larger is wrong.
    pub max_error: f64,
    /// Most bytes of workspace.
    pub max_workspace: u64,
    /// Whether nothing may be compiled while something is measured: where measuring takes all processors.
    pub alone: bool,
}

/// How far tuning is.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Candidates that were timed to the end; those of code that was timed before counted apart.
    pub timed: usize,
    /// Candidates that were timed before, and timed again in turn with the winner.
    pub compared: usize,
    /// Candidates whose code was timed as another's.
    pub same_code: usize,
    /// Candidates that were given up early.
    pub stopped: usize,
    /// Candidates that failed: not compiled, wrong, crashed, too slow to wait for, too large.
    pub failed: usize,
    /// Seconds of all layers under the best that is known, counted.
    pub seconds: f64,
    /// Share of it that further rounds are expected to gain.
    pub expected: f64,
    /// Share of the budget that is used.
    pub used: f64,
    /// Seconds that it will go on: until the budget is used up, or sooner where less is left to be found out.
    pub left: f64,
    /// The layer at work.
    pub at: String,
}

/// Tells how tuning goes, and whether it is to end.
pub trait Observer {
    /// A trial has ended; it is to be kept.
    fn trial(&mut self, trial: &Trial);
    /// How far tuning is.
    fn standing(&mut self, standing: &Standing);
    /// Whether tuning is to end now.
    fn interrupted(&self) -> bool;
}
