//! A round of one layer at work.

use crate::worker::{ArtifactFile, Compiled};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A candidate that is compiled or, once built, measured.
#[derive(Debug)]
pub struct Job {
    /// Which point of the layer's search.
    pub point: usize,
    /// What was compiled, where it is measured.
    pub built: Option<Built>,
}

/// A compiled candidate.
#[derive(Debug)]
pub struct Built {
    /// What is known of it.
    pub compiled: Compiled,
    /// Its artifact.
    pub file: Arc<ArtifactFile>,
    /// The point that it is measured in turn with.
    pub against: Option<usize>,
}

/// Candidates of a round that are compiled or measured, by ticket.
#[derive(Debug)]
pub struct Batch {
    /// Which task.
    pub task: usize,
    /// What is at work.
    pub jobs: HashMap<u64, Job>,
    /// What is compiled, and waits until it may be measured.
    pub compiled: Vec<(usize, Compiled, Arc<ArtifactFile>)>,
    /// When it began.
    pub begun: Instant,
}

impl Batch {
    /// A round without candidates yet.
    pub fn new(task: usize) -> Batch {
        Batch { task, jobs: HashMap::new(), compiled: vec![], begun: Instant::now() }
    }
}
