//! Errors of the autotuner.

use cnnc_artifact::ArtifactError;
use cnnc_compiler::CompileError;
use cnnc_runtime::RuntimeError;

/// Why a layer could not be compiled or measured.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The layer is none, or what is asked of it makes no sense.
    #[error("{0}")]
    Layer(String),
    /// A candidate does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Compiled code cannot be loaded or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Compiled code cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}
