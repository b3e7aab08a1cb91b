//! Why a network could not be loaded or run.

use cnnc_artifact::ArtifactError;

/// Why a network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The artifact cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Compiled code does not run on this kind of machine.
    #[error("compiled code is for x86-64 processors, this machine has {0}")]
    Host(&'static str),
    /// There is no variant for this processor.
    #[error(
        "no variant for this processor: the artifact holds {have}, the processor has {host}; compile with --target {host}"
    )]
    NoVariant {
        /// The instruction sets of the variants.
        have: String,
        /// The best of the processor.
        host: String,
    },
    /// A plan in memory contradicts itself: a bug of whoever made it.
    #[error("invalid plan: {0}")]
    Plan(String),
    /// Memory cannot be had.
    #[error("cannot allocate {bytes} bytes for {what}: {source}")]
    Memory {
        /// How much.
        bytes: u64,
        /// What for.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The number of inputs is wrong.
    #[error("the network has {want} inputs ({names}), got {got}")]
    InputCount {
        /// How many it has.
        want: usize,
        /// Their names.
        names: String,
        /// How many were given.
        got: usize,
    },
    /// An input has the wrong type, shape or size.
    #[error("input {want}: got {got}")]
    Input {
        /// Name, type and shape of the input.
        want: String,
        /// What was given.
        got: String,
    },
    /// The number of output buffers is wrong.
    #[error("the network has {want} outputs, got {got} buffers")]
    OutputCount {
        /// How many it has.
        want: usize,
        /// How many were given.
        got: usize,
    },
    /// An output buffer has the wrong size.
    #[error("output {want} needs a buffer of {bytes} bytes, got {got}")]
    Output {
        /// Name, type and shape of the output.
        want: String,
        /// Its size.
        bytes: usize,
        /// What was given.
        got: usize,
    },
}

impl RuntimeError {
    /// Whether what the user gave is at fault, rather than the machine or cnnc.
    pub fn is_users(&self) -> bool {
        use ArtifactError::*;
        match self {
            RuntimeError::Artifact(Write { .. } | Invalid(_)) | RuntimeError::Plan(_) => false,
            RuntimeError::Memory { .. } | RuntimeError::Thread(_) => false,
            RuntimeError::Artifact(Read { .. } | NotAnArtifact(_) | Version { .. } | Truncated(_) | Damaged(_)) => true,
            RuntimeError::Host(_) | RuntimeError::NoVariant { .. } => true,
            RuntimeError::InputCount { .. } | RuntimeError::Input { .. } => true,
            RuntimeError::OutputCount { .. } | RuntimeError::Output { .. } => true,
        }
    }
}
