//! Errors of the command line, and what they mean for the exit code.

use cnnc_artifact::ArtifactError;
use cnnc_runtime::RuntimeError;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What the user wrote on the command line, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Import or compilation failed.
    #[error("{message}")]
    Compile {
        /// What the compiler said.
        message: String,
        /// What to try.
        hint: Option<String>,
        /// Whether the user's input is at fault.
        users: bool,
    },
    /// A network cannot be loaded or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// An artifact cannot be loaded.
    #[error("{path}: {source}")]
    Load {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RuntimeError,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A compiled network's output is further from the exact one than it may be.
    #[error("output {output} is off by {error:.1e} of its largest element, beyond the bound {bound:.1e}")]
    Beyond {
        /// Name of the output.
        output: String,
        /// Its error.
        error: f64,
        /// The bound.
        bound: f64,
    },
    /// The process that compiles could not be started, or died.
    #[error("{0}")]
    Crash(String),
    /// The user ended it.
    #[error("interrupted: {0}")]
    Interrupted(&'static str),
    /// The process that compiles has said what is wrong, and ended with that code.
    #[error("compilation failed")]
    Reported(u8),
}

impl CliError {
    /// 2 where the user's input is at fault, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        let users = match self {
            CliError::Reported(code) => return *code,
            CliError::Usage(_) | CliError::Read { .. } | CliError::File { .. } => true,
            CliError::Compile { users, .. } => *users,
            CliError::Runtime(error) | CliError::Load { source: error, .. } => error.is_users(),
            CliError::Artifact(ArtifactError::Read { .. }) => true,
            CliError::Write { .. } | CliError::Artifact(_) | CliError::Beyond { .. } => false,
            CliError::Crash(_) | CliError::Interrupted(_) => false,
        };
        if users { 2 } else { 1 }
    }

    /// What to try, where there is more to say than the message does.
    pub fn hint(&self) -> Option<&str> {
        match self {
            CliError::Compile { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}
