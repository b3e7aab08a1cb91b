//! Errors of the command line, and what they mean for the exit code.

use cnnc_artifact::ArtifactError;
use cnnc_compiler::CompileError;
use cnnc_onnx::ImportError;
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
    /// Compilation failed.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Import failed.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// An artifact cannot be loaded, or a network cannot be run.
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
    /// An artifact cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The process that compiles died.
    #[error("internal error: the compiler process {0}; this is a bug in cnnc, please report it with the model")]
    Crash(String),
}

impl CliError {
    /// 2 where the user's input is at fault, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        let users = match self {
            CliError::Usage(_) | CliError::Read { .. } | CliError::File { .. } | CliError::Import(_) => true,
            CliError::Compile(error) => error.is_users(),
            CliError::Runtime(error) | CliError::Load { source: error, .. } => error.is_users(),
            CliError::Artifact(ArtifactError::Read { .. }) => true,
            CliError::Write { .. } | CliError::Artifact(_) | CliError::Crash(_) => false,
        };
        if users { 2 } else { 1 }
    }

    /// What to try, where there is more to say than the message does.
    pub fn hint(&self) -> Option<String> {
        match self {
            CliError::Compile(CompileError::Import(error)) | CliError::Import(error) => import_hint(error),
            _ => None,
        }
    }
}

fn import_hint(error: &ImportError) -> Option<String> {
    match error {
        ImportError::NeedsValue { inputs, .. } => {
            let flags: Vec<String> = inputs.iter().map(|name| format!("--bind {name}=FILE.npy")).collect();
            Some(format!("fix its content at compile time with {}", flags.join(" ")))
        }
        ImportError::Unsupported { .. } => Some("`cnnc list ops` shows the operators that are supported".into()),
        _ => None,
    }
}
