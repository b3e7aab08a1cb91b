//! Jobs, and the artifacts that go from one to the next.

use crate::worker::protocol::{Compile, Measure};
use crate::worker::ranks::Rank;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A compiled candidate: how it was compiled, and who has it. It is removed everywhere when nobody needs it any more.
/// Whoever measures it without having it compiles it first: artifacts do not travel.
#[derive(Debug)]
pub struct ArtifactFile {
    id: u64,
    job: CompileJob,
    /// Where it is on this machine, once this rank has compiled it.
    path: OnceLock<PathBuf>,
    /// The other ranks that have it.
    held: Mutex<Vec<Arc<Rank>>>,
}

impl ArtifactFile {
    pub(in crate::worker) fn new(id: u64, job: CompileJob) -> ArtifactFile {
        ArtifactFile { id, job, path: OnceLock::new(), held: Mutex::default() }
    }

    /// Its number, by which other ranks know it.
    pub(in crate::worker) fn id(&self) -> u64 {
        self.id
    }

    /// How it is compiled.
    pub fn job(&self) -> &CompileJob {
        &self.job
    }

    /// Where it is, if this rank has it.
    pub fn path(&self) -> Option<&Path> {
        self.path.get().map(PathBuf::as_path)
    }

    /// This rank has it now.
    pub(super) fn lies_at(&self, path: PathBuf) {
        if let Err(second) = self.path.set(path) {
            let _ = std::fs::remove_file(second);
        }
    }

    /// Another rank has it, or is about to.
    pub(super) fn is_held_by(&self, rank: &Arc<Rank>) {
        let mut held = self.held();
        if !held.iter().any(|other| Arc::ptr_eq(other, rank)) {
            held.push(rank.clone());
        }
    }

    /// Whether a rank, or this one, is to measure it: who has it, and anyone once they are all gone.
    fn is_for(&self, rank: Option<&Arc<Rank>>) -> bool {
        let held = self.held();
        let own = match rank {
            Some(rank) => held.iter().any(|other| Arc::ptr_eq(other, rank)),
            None => self.path().is_some(),
        };
        own || self.path().is_none() && !held.iter().any(|rank| rank.is_there())
    }

    fn held(&self) -> MutexGuard<'_, Vec<Arc<Rank>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ArtifactFile {
    fn drop(&mut self) {
        if let Some(path) = self.path() {
            // It may be gone with the pool.
            let _ = std::fs::remove_file(path);
        }
        self.held().iter().for_each(|rank| rank.forget(self.id));
    }
}

/// A candidate to be compiled; see [`Compile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompileJob {
    /// The layer, a line of a list of shapes.
    pub layer: String,
    /// Layout of the first operand.
    pub input: String,
    /// Layout of the result.
    pub output: String,
    /// The candidate.
    pub candidate: String,
    /// Instruction set.
    pub isa: String,
    /// Code generator.
    pub backend: String,
    /// Threads that the layer is cut for.
    pub threads: usize,
}

impl CompileJob {
    /// What a worker is asked; the artifact goes to `file`.
    pub(super) fn request(&self, file: &Path) -> Compile {
        Compile {
            layer: self.layer.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            candidate: self.candidate.clone(),
            isa: self.isa.clone(),
            backend: self.backend.clone(),
            threads: self.threads,
            file: file.to_path_buf(),
        }
    }
}

/// A compiled candidate to be checked and timed; see [`Measure`].
#[derive(Clone, Debug)]
pub struct MeasureJob {
    /// The candidate.
    pub artifact: Arc<ArtifactFile>,
    /// The best candidate so far.
    pub incumbent: Option<Arc<ArtifactFile>>,
    /// Threads to run it on.
    pub threads: usize,
    /// Seconds of timing.
    pub seconds: f64,
    /// How many times as slow as the incumbent it may be before it is given up.
    pub stop_above: Option<f64>,
    /// The largest error that is not wrong.
    pub max_error: f64,
}

impl MeasureJob {
    /// What a worker is asked; `None` while this rank does not have the artifacts.
    pub(super) fn request(&self) -> Option<Measure> {
        let incumbent = match &self.incumbent {
            Some(artifact) => Some(artifact.path()?.to_path_buf()),
            None => None,
        };
        Some(Measure {
            layer: self.artifact.job.layer.clone(),
            candidate: self.artifact.job.candidate.clone(),
            file: self.artifact.path()?.to_path_buf(),
            incumbent,
            threads: self.threads,
            seconds: self.seconds,
            stop_above: self.stop_above,
            max_error: self.max_error,
        })
    }

    /// The artifacts that it takes.
    pub(super) fn artifacts(&self) -> impl Iterator<Item = &Arc<ArtifactFile>> {
        std::iter::once(&self.artifact).chain(&self.incumbent)
    }
}

/// A job of either kind.
#[derive(Debug)]
pub(super) enum Work {
    Compile(CompileJob),
    Measure(MeasureJob),
}

/// What is done in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Compile,
    Measure,
}

impl Work {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Work::Compile(_) => Kind::Compile,
            Work::Measure(_) => Kind::Measure,
        }
    }

    /// Whether a rank, or this one, is to do it: anyone compiles, and who has compiled measures.
    pub(super) fn is_for(&self, rank: Option<&Arc<Rank>>) -> bool {
        match self {
            Work::Compile(_) => true,
            Work::Measure(job) => job.artifact.is_for(rank),
        }
    }
}
