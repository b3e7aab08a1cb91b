//! The tuning database: every trial that was ever made, in one SQLite file.
//!
//! A trial is one transaction. The file has a write-ahead log with `synchronous=NORMAL`: a commit has handed its pages to
//! the operating system when [`append`](Database::append) returns, so killing the process by any signal takes the
//! running trial at most, and no flush of the disk disturbs the next measurement. A power cut may take the last trials
//! but leaves the file sound. Several processes may use one file; who writes waits up to half a minute for the others.
//!
//! Trials are told apart by session and index within it. Sessions have names that no two machines share, so that
//! exports and other databases can be added again and again without doubling anything. Wherever trials are listed, they
//! stand in the order of sessions (by their start) and of indices: the same trials give the same list, whichever file
//! they are in and however they came there.

mod calibration;
mod error;
mod exchange;
mod gc;
mod prior;
mod query;
mod rank;
mod record;
mod row;
mod schema;
mod session;
mod stats;
mod writer;

pub use calibration::Terms;
pub use error::DatabaseError;
pub use exchange::Added;
pub use gc::{Dropped, Keep};
pub use prior::Prior;
pub use rank::{Limits, Ranked};
pub use record::{Record, SessionInfo};
pub use session::Session;
pub use stats::{Stats, Tally};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens a database that is there.
    pub fn open(path: &Path) -> Result<Database, DatabaseError> {
        if !path.exists() {
            return Err(DatabaseError::Missing { path: path.to_path_buf() });
        }
        Database::connect(path, false)
    }

    /// Opens a database, and makes it, with its folder, where there is none.
    pub fn open_or_create(path: &Path) -> Result<Database, DatabaseError> {
        if let Some(folder) = path.parent() {
            let failed = |e: std::io::Error| DatabaseError::Open { path: path.to_path_buf(), what: e.to_string() };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        Database::connect(path, true)
    }

    fn connect(path: &Path, create: bool) -> Result<Database, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let flags = if create { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
        // Some relative names, as `:memory:`, have a meaning of their own to SQLite.
        let file = Path::new(".").join(path);
        let connection = Connection::open_with_flags(file, flags).map_err(|e| DatabaseError::of(path, e))?;
        schema::prepare(&connection, path, create)?;
        Ok(Database { connection, path: path.to_path_buf() })
    }

    /// Where the user's database is: `$XDG_DATA_HOME/cnnc/tuning.db`, else `~/.local/share/cnnc/tuning.db`; `None` where
    /// the environment names no such folder.
    pub fn default_path() -> Option<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))?;
        Some(folder.join("cnnc").join("tuning.db"))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file and fails where it is damaged.
    pub fn check(&self) -> Result<(), DatabaseError> {
        let found = self.connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
        let damaged = |what: String| Err(DatabaseError::Damaged { path: self.path.clone(), what });
        match self.named(found)?.as_str() {
            "ok" => {}
            what => return damaged(what.replace('\n', " ")),
        }
        let strays = "SELECT count(*) FROM pragma_foreign_key_check";
        match self.named(self.connection.query_row(strays, [], |row| row.get::<_, i64>(0)))? {
            0 => Ok(()),
            count => damaged(format!("{count} trials without setting, workload or session")),
        }
    }

    /// Begins to write, or waits until it may.
    fn write(&self) -> Result<Transaction<'_>, DatabaseError> {
        self.named(Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate))
    }

    /// A result whose error names the file.
    fn named<T>(&self, result: rusqlite::Result<T>) -> Result<T, DatabaseError> {
        result.map_err(|error| DatabaseError::of(&self.path, error))
    }
}

/// Seconds since the epoch.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
