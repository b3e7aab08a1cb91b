//! The tables, and how a file of an older schema becomes one of this.

use super::DatabaseError;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::{Duration, Instant};

/// Marks the files as ours: `cnnc` in ASCII.
const APPLICATION_ID: i64 = 0x636e_6e63;

/// How long to wait for another process to let go of the file.
const PATIENCE: Duration = Duration::from_secs(30);

/// What takes a file from schema `k` to schema `k + 1`; an empty file is of schema 0. Never change an entry, add one.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE settings (
    id INTEGER PRIMARY KEY,
    isa TEXT NOT NULL,
    threads INTEGER NOT NULL,
    backend TEXT NOT NULL,
    revision TEXT NOT NULL,
    machine TEXT NOT NULL,
    UNIQUE (isa, threads, backend, revision, machine)
) STRICT;
CREATE TABLE workloads (
    id INTEGER PRIMARY KEY,
    line TEXT NOT NULL UNIQUE
) STRICT;
-- `name` tells sessions of all machines apart, `seed` holds the bits of an unsigned number; times are seconds since the
-- epoch.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    seed INTEGER NOT NULL,
    command TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL
) STRICT;
-- `workspace` and `packed` hold the bits of unsigned numbers; samples are f64 in little endian, one after the other.
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    setting INTEGER NOT NULL REFERENCES settings,
    workload INTEGER NOT NULL REFERENCES workloads,
    session INTEGER NOT NULL REFERENCES sessions,
    position INTEGER NOT NULL,
    time REAL NOT NULL,
    input TEXT NOT NULL,
    output TEXT NOT NULL,
    candidate TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    estimate REAL NOT NULL,
    error REAL,
    workspace INTEGER NOT NULL,
    packed INTEGER NOT NULL,
    code TEXT NOT NULL,
    warm BLOB NOT NULL,
    cold BLOB NOT NULL,
    incumbent BLOB NOT NULL,
    UNIQUE (session, position)
) STRICT;
CREATE INDEX trials_of_workload ON trials (workload, setting);
CREATE INDEX trials_of_setting ON trials (setting);
",
    "
ALTER TABLE trials ADD COLUMN network BLOB NOT NULL DEFAULT x'';
ALTER TABLE trials ADD COLUMN against TEXT NOT NULL DEFAULT '';
",
    "
-- `terms` is an object of JSON: values of terms of the analytic costs by their names.
CREATE TABLE calibrations (
    isa TEXT NOT NULL,
    backend TEXT NOT NULL,
    machine TEXT NOT NULL,
    terms TEXT NOT NULL,
    PRIMARY KEY (isa, backend, machine)
) STRICT;
",
];

/// Readies a connection: checks whose file it is, and brings it to the schema of this build. An
/// empty file becomes a database only where it is to `create` one.
pub(super) fn prepare(connection: &Connection, path: &Path, create: bool) -> Result<(), DatabaseError> {
    let named = |error| DatabaseError::of(path, error);
    connection.busy_timeout(PATIENCE).map_err(named)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(named)?;
    // Before anything is written: the file may be somebody else's.
    let found = {
        // As one process left it: another may be making it just now.
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred).map_err(named)?;
        version(&transaction, path, MIGRATIONS)?
    };
    if found == 0 && !create {
        return Err(DatabaseError::Foreign { path: path.to_path_buf() });
    }
    write_ahead(connection).map_err(named)?;
    // Commits reach the operating system, which outlives a killed process; they are not flushed to the disk one by one.
    // Only the machine's own failure can take the last of them, and even that leaves the file sound.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(named)?;
    if found < MIGRATIONS.len() { migrate(connection, path, MIGRATIONS) } else { Ok(()) }
}

/// Switches to a write-ahead log. While another process does the same, SQLite says busy without any patience.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// The schema of a file, 0 where it is empty.
fn version(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<usize, DatabaseError> {
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(|e| DatabaseError::of(path, e))
    };
    let (application, found) = (number("application_id")?, number("user_version")?);
    let known = migrations.len();
    if application != APPLICATION_ID {
        let objects = "SELECT count(*) FROM sqlite_schema";
        let objects: i64 =
            connection.query_row(objects, [], |row| row.get(0)).map_err(|e| DatabaseError::of(path, e))?;
        let empty = (application, found, objects) == (0, 0, 0);
        return if empty { Ok(0) } else { Err(DatabaseError::Foreign { path: path.to_path_buf() }) };
    }
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        Ok(_) => Err(DatabaseError::Newer { path: path.to_path_buf(), found, known: known as i64 }),
        Err(_) => Err(DatabaseError::Damaged { path: path.to_path_buf(), what: format!("schema {found}") }),
    }
}

/// Takes a file through the migrations that it lacks, all or none.
fn migrate(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<(), DatabaseError> {
    let named = |error| DatabaseError::of(path, error);
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(named)?;
    // Another process may have been faster.
    let found = version(&transaction, path, migrations)?;
    for migration in migrations.iter().skip(found) {
        transaction.execute_batch(migration).map_err(named)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(named)?;
    transaction.pragma_update(None, "user_version", migrations.len() as i64).map_err(named)?;
    transaction.commit().map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_migrated_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuning.db");
        let connection = Connection::open(&path).unwrap();
        prepare(&connection, &path, true).unwrap();
        connection.execute("INSERT INTO workloads (line) VALUES ('conv')", []).unwrap();
        let wrong = [MIGRATIONS, &["ALTER TABLE workloads ADD COLUMN note TEXT; SELECT nothing FROM nowhere"]].concat();
        assert!(migrate(&connection, &path, &wrong).is_err());
        assert_eq!(version(&connection, &path, MIGRATIONS).unwrap(), MIGRATIONS.len(), "none of it is done");
        let next = [MIGRATIONS, &["ALTER TABLE workloads ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"]].concat();
        migrate(&connection, &path, &next).unwrap();
        migrate(&connection, &path, &next).unwrap();
        let note = connection.query_row("SELECT line || note FROM workloads", [], |row| row.get::<_, String>(0));
        assert_eq!(note.unwrap(), "convnone");
        let newer = prepare(&connection, &path, true).unwrap_err();
        let (found, known) = (next.len() as i64, MIGRATIONS.len() as i64);
        assert!(
            matches!(newer, DatabaseError::Newer { found: f, known: k, .. } if (f, k) == (found, known)),
            "{newer}"
        );
        assert!(newer.to_string().contains("tuning.db") && newer.is_users());
    }
}
