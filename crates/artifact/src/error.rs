//! Why an artifact could not be read or written.

use std::path::PathBuf;

/// Why an artifact could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file cannot be opened or mapped.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written; what stood there before still does.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are something else.
    #[error("not a cnnc artifact{0}")]
    NotAnArtifact(&'static str),
    /// Written by another version of the format.
    #[error("artifact of format {found}, this build reads format {known}: compile the model again")]
    Version {
        /// Format of the file.
        found: u32,
        /// Format of this build.
        known: u32,
    },
    /// The file ends too early.
    #[error("truncated: {0}")]
    Truncated(String),
    /// A checksum is wrong.
    #[error("damaged: checksum of {0} is wrong")]
    Damaged(String),
    /// The content contradicts itself.
    #[error("invalid artifact: {0}")]
    Invalid(String),
}
