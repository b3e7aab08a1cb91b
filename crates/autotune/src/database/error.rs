//! Why a database could not be used.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why a database, or a file of trials, could not be used. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no such file.
    #[error("there is no tuning database {path}: tuning makes one, or `cnnc db import`")]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot open {path}: {what}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// The file is something else.
    #[error("{path} is no tuning database: it is left as it is, choose another file")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The file's content contradicts itself.
    #[error("{path} is damaged ({what}): move it away, and import an export of it or tune again")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A later version of this program made the file.
    #[error("{path} has schema {found}, and this build knows {known}: use the newer cnnc that made it")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Schema of the file.
        found: i64,
        /// Schema of this build.
        known: i64,
    },
    /// Another process does not let go of the file.
    #[error("{path} is locked by another process: wait until it is done, then try again")]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {what}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A trial holds what no trial can.
    #[error("not a trial to be kept: {0}")]
    Trial(String),
    /// Lines of an export are wrong; nothing of it was imported.
    #[error("nothing is imported: {0}")]
    Lines(String),
    /// Reading an export, or writing it, failed.
    #[error("{0}")]
    Stream(#[from] std::io::Error),
}

impl DatabaseError {
    /// Whether the user's input is at fault.
    pub fn is_users(&self) -> bool {
        !matches!(self, DatabaseError::Busy { .. } | DatabaseError::Write { .. } | DatabaseError::Stream(_))
    }

    /// What an error of SQLite says about the file at `path`.
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> DatabaseError {
        let path = path.to_path_buf();
        let what = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, _) = &error else {
            // Our statements are constants: what does not fit them is the file's.
            return DatabaseError::Damaged { path, what };
        };
        match failure.code {
            ErrorCode::NotADatabase => DatabaseError::Foreign { path },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DatabaseError::Busy { path },
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => DatabaseError::Open { path, what },
            ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch => {
                DatabaseError::Damaged { path, what }
            }
            _ => DatabaseError::Write { path, what },
        }
    }
}
