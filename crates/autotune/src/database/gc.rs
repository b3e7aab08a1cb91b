//! Trials that are of no more use are dropped.

use super::{Database, DatabaseError};
use rusqlite::{Connection, params};

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep<'a> {
    /// The revision whose trials are kept.
    pub revision: &'a str,
    /// Of each candidate under other revisions, the latest trial that was timed: a prior for the search.
    pub priors: bool,
    /// Of each candidate under the kept revision, all timed trials and not the latest alone. Without them the log of a
    /// session has gaps.
    pub superseded: bool,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Trials.
    pub trials: u64,
    /// Sessions that had ended and have no trial left.
    pub sessions: u64,
    /// Bytes that the file is smaller by.
    pub bytes: u64,
}

/// Trials of the kept revision that a later one of the same candidate, setting and outcome makes superfluous. That its
/// numbers were wrong once stays known of a candidate, whatever comes later.
const SUPERSEDED: &str = "
    SELECT id FROM (
        SELECT t.id, row_number() OVER (
            PARTITION BY t.setting, t.workload, t.input, t.output, t.candidate, t.outcome
            ORDER BY s.started DESC, s.name DESC, t.position DESC
        ) AS age
        FROM trials t JOIN sessions s ON s.id = t.session JOIN settings e ON e.id = t.setting
        WHERE e.revision = ?1
    ) WHERE age > 1";

/// Of each candidate in settings that differ in nothing but a revision other than the kept one, the latest timed trial.
const PRIORS: &str = "
    SELECT id FROM (
        SELECT t.id, row_number() OVER (
            PARTITION BY e.isa, e.threads, e.backend, e.machine, t.workload, t.input, t.output, t.candidate
            ORDER BY s.started DESC, s.name DESC, t.position DESC
        ) AS age
        FROM trials t JOIN sessions s ON s.id = t.session JOIN settings e ON e.id = t.setting
        WHERE e.revision <> ?1 AND t.outcome = 'timed'
    ) WHERE age = 1";

impl Database {
    /// Drops what is not to be kept, and gives the room back.
    pub fn gc(&self, keep: Keep<'_>) -> Result<Dropped, DatabaseError> {
        self.check()?;
        let before = self.named(size(&self.connection))?;
        let transaction = self.write()?;
        let mut dropped = self.named(drop_trials(&transaction, keep))?;
        self.named(transaction.commit())?;
        // The log may hold what the file does not yet; both are made small.
        self.named(self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);"))?;
        dropped.bytes = before.saturating_sub(self.named(size(&self.connection))?);
        Ok(dropped)
    }

    /// What [`gc`](Database::gc) would drop; nothing is changed, and the bytes are not known.
    pub fn gc_dry(&self, keep: Keep<'_>) -> Result<Dropped, DatabaseError> {
        self.check()?;
        let transaction = self.write()?;
        let dropped = self.named(drop_trials(&transaction, keep))?;
        self.named(transaction.rollback())?;
        Ok(dropped)
    }
}

fn drop_trials(connection: &Connection, keep: Keep<'_>) -> rusqlite::Result<Dropped> {
    let foreign = "DELETE FROM trials WHERE setting IN (SELECT id FROM settings WHERE revision <> ?1)";
    let priors = if keep.priors { format!(" AND id NOT IN ({PRIORS})") } else { String::new() };
    let mut trials = connection.execute(&format!("{foreign}{priors}"), params![keep.revision])?;
    if !keep.superseded {
        trials +=
            connection.execute(&format!("DELETE FROM trials WHERE id IN ({SUPERSEDED})"), params![keep.revision])?;
    }
    // A session that has not ended may be about to append.
    let sessions = connection.execute(
        "DELETE FROM sessions WHERE ended IS NOT NULL AND id NOT IN (SELECT session FROM trials)",
        params![],
    )?;
    connection.execute("DELETE FROM settings WHERE id NOT IN (SELECT setting FROM trials)", params![])?;
    connection.execute("DELETE FROM workloads WHERE id NOT IN (SELECT workload FROM trials)", params![])?;
    Ok(Dropped { trials: trials as u64, sessions: sessions as u64, bytes: 0 })
}

/// Size of the file, with what its log will add.
fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    Ok((number("page_count")? * number("page_size")?) as u64)
}
