//! What has become of a job.

use super::ArtifactFile;
use crate::Outcome;
use crate::worker::protocol::{Compiled, Measured};
use std::sync::Arc;

/// A job has ended.
#[derive(Debug)]
pub struct Event {
    /// The job's ticket.
    pub ticket: u64,
    /// How it ended.
    pub end: End,
    /// Seconds that it took, waiting in the queue left out.
    pub seconds: f64,
    /// Whether that is more than the soft limit.
    pub slow: bool,
    /// The last line that a worker wrote to its standard error before it died; else empty.
    pub said: String,
}

/// How a job ended.
#[derive(Debug)]
pub enum End {
    /// Compiled, into a file.
    Compiled(Compiled, Arc<ArtifactFile>),
    /// Checked, and timed where it was right.
    Measured(Measured),
    /// Neither: not compiled (or not loaded), crashed, timed out, out of memory.
    Failed(Outcome),
}

impl Measured {
    /// The outcome of the candidate.
    pub fn outcome(&self) -> Outcome {
        match (self.wrong, self.stopped) {
            (true, _) => Outcome::Wrong,
            (false, true) => Outcome::StoppedEarly,
            (false, false) => Outcome::Timed,
        }
    }
}
