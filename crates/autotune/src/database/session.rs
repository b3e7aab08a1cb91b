//! Sessions, and trials appended to them.

use super::record::unstorable;
use super::row::{self, ORDER, SELECT};
use super::writer::Writer;
use super::{Database, DatabaseError, Record, SessionInfo, now};
use crate::{Setting, Trial};
use rusqlite::params;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A run of the tuner that appends to the database.
#[derive(Debug)]
pub struct Session {
    row: i64,
    id: String,
    started: f64,
    next: u64,
}

impl Session {
    /// Its name, which no other session has.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it began, in seconds since the epoch.
    pub fn started(&self) -> f64 {
        self.started
    }

    /// How many trials it has appended.
    pub fn trials(&self) -> u64 {
        self.next
    }
}

impl Database {
    /// Begins a session: `seed` is what its search draws its random numbers from, `command` what began it.
    pub fn begin_session(&self, seed: u64, command: &str) -> Result<Session, DatabaseError> {
        let id = unique_name();
        let started = now();
        let info = SessionInfo { id: id.clone(), seed, command: command.into(), started, ended: None };
        let transaction = self.write()?;
        let row = self.named(Writer::new(&transaction).and_then(|writer| writer.session(&info)))?;
        self.named(transaction.commit())?;
        Ok(Session { row, id, started, next: 0 })
    }

    /// Appends a trial and returns its index in the session. When this returns, the trial outlives the process.
    ///
    /// Estimate and samples must be finite. An error that is not is kept as absent: the trial's outcome says that its
    /// numbers were wrong.
    pub fn append(&self, session: &mut Session, setting: &Setting, trial: &Trial) -> Result<u64, DatabaseError> {
        if let Some(what) = unstorable(trial) {
            return Err(DatabaseError::Trial(format!("{}, {}: {what}", trial.workload, trial.candidate)));
        }
        let index = session.next;
        let transaction = self.write()?;
        let writer = Writer::new(&transaction);
        self.named(writer.and_then(|mut writer| writer.trial(session.row, index, now(), setting, trial)))?;
        self.named(transaction.commit())?;
        session.next += 1;
        Ok(index)
    }

    /// Ends a session.
    pub fn end_session(&self, session: Session) -> Result<(), DatabaseError> {
        let update = "UPDATE sessions SET ended = ?2 WHERE id = ?1";
        self.named(self.connection.execute(update, params![session.row, now()])).map(drop)
    }

    /// All sessions, in the order they began.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, DatabaseError> {
        let select = "SELECT name, seed, command, started, ended FROM sessions ORDER BY started, name";
        self.list(select, params![], row::session)
    }

    /// All trials of a session in the order made: what a search that is run again with the same seed has to see.
    pub fn session_log(&self, id: &str) -> Result<Vec<Record>, DatabaseError> {
        self.list(&format!("{SELECT} WHERE s.name = ?1 {ORDER}"), params![id], row::record)
    }
}

/// A name out of 128 random bits: the standard library seeds its hashers with the system's.
fn unique_name() -> String {
    let random = || RandomState::new().build_hasher();
    let (mut first, second) = (random(), random());
    // New hashers of a thread differ by a counter; the clock tells threads and processes apart even without.
    first.write_u64(now().to_bits());
    first.write_u32(std::process::id());
    format!("{:016x}{:016x}", first.finish(), second.finish())
}
