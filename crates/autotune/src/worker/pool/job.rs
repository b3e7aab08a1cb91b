//! Jobs, and the files that go from one to the next.

use crate::worker::protocol::{Compile, Measure, Request};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An artifact of the pool, removed when nobody needs it any more.
#[derive(Debug)]
pub struct ArtifactFile(PathBuf);

impl ArtifactFile {
    pub(super) fn new(path: PathBuf) -> ArtifactFile {
        ArtifactFile(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ArtifactFile {
    fn drop(&mut self) {
        // It may never have been written, or be gone with the pool.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A candidate to be compiled; see [`Compile`].
#[derive(Clone, Debug, PartialEq)]
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

/// A compiled candidate to be checked and timed; see [`Measure`].
#[derive(Clone, Debug)]
pub struct MeasureJob {
    /// The layer, as it was compiled.
    pub layer: String,
    /// The candidate.
    pub candidate: String,
    /// Its artifact.
    pub artifact: Arc<ArtifactFile>,
    /// The artifact of the best candidate so far.
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

/// A job of either kind.
#[derive(Debug)]
pub(super) enum Work {
    Compile(CompileJob),
    Measure(MeasureJob),
}

impl Work {
    /// What the worker is asked; a compiled artifact goes to `file`.
    pub(super) fn request(&self, file: &ArtifactFile) -> Request {
        match self {
            Work::Compile(job) => Request::Compile(Compile {
                layer: job.layer.clone(),
                input: job.input.clone(),
                output: job.output.clone(),
                candidate: job.candidate.clone(),
                isa: job.isa.clone(),
                backend: job.backend.clone(),
                threads: job.threads,
                file: file.path().to_path_buf(),
            }),
            Work::Measure(job) => Request::Measure(Measure {
                layer: job.layer.clone(),
                candidate: job.candidate.clone(),
                file: job.artifact.path().to_path_buf(),
                incumbent: job.incumbent.as_ref().map(|file| file.path().to_path_buf()),
                threads: job.threads,
                seconds: job.seconds,
                stop_above: job.stop_above,
                max_error: job.max_error,
            }),
        }
    }
}
