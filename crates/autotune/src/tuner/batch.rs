//! A round of one layer at work.

use crate::worker::{ArtifactFile, Compiled};
use std::collections::HashMap;
use std::sync::Arc;

/// Candidates of a round that are compiled or measured, by ticket.
#[derive(Debug)]
pub struct Batch {
    /// Which task.
    pub task: usize,
    /// Points that are compiled.
    pub compiling: HashMap<u64, usize>,
    /// Points that are measured, and what was compiled.
    pub measuring: HashMap<u64, (usize, Compiled, Arc<ArtifactFile>)>,
}

impl Batch {
    /// A round without candidates yet.
    pub fn new(task: usize) -> Batch {
        Batch { task, compiling: HashMap::new(), measuring: HashMap::new() }
    }

    /// Whether a job is one of the round's.
    pub fn owns(&self, ticket: u64) -> bool {
        self.compiling.contains_key(&ticket) || self.measuring.contains_key(&ticket)
    }

    /// Takes a job out: its point, and what was compiled where it is measured.
    pub fn take(&mut self, ticket: u64) -> Option<(usize, Option<(Compiled, Arc<ArtifactFile>)>)> {
        if let Some(point) = self.compiling.remove(&ticket) {
            return Some((point, None));
        }
        let (point, compiled, file) = self.measuring.remove(&ticket)?;
        Some((point, Some((compiled, file))))
    }

    /// Whether nothing is at work any more.
    pub fn is_done(&self) -> bool {
        self.compiling.is_empty() && self.measuring.is_empty()
    }

    /// Gives up what is left.
    pub fn drop_all(&mut self) {
        self.compiling.clear();
        self.measuring.clear();
    }
}
