//! Rows written within one transaction.

use super::row::{Bits, Seconds, columns};
use super::{Record, SessionInfo};
use crate::{Setting, Trial, Workload};
use rusqlite::{Connection, OptionalExtension, Statement, params};
use std::collections::HashMap;

/// Writes rows, and remembers the ids of what many of them share. It lives as long as a transaction: without one,
/// another process may drop what an id stands for.
pub(super) struct Writer<'c> {
    connection: &'c Connection,
    insert: Statement<'c>,
    settings: HashMap<Setting, i64>,
    workloads: HashMap<Workload, i64>,
    sessions: HashMap<String, i64>,
}

const INSERT: &str = "
INSERT INTO trials (setting, workload, session, position, time, input, output, candidate, outcome, reason, estimate,
    error, workspace, packed, code, warm, cold, incumbent, network, against)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT (session, position) DO NOTHING";

impl<'c> Writer<'c> {
    /// A writer within the connection's transaction.
    pub fn new(connection: &'c Connection) -> rusqlite::Result<Writer<'c>> {
        let insert = connection.prepare(INSERT)?;
        let (settings, workloads, sessions) = (HashMap::new(), HashMap::new(), HashMap::new());
        Ok(Writer { connection, insert, settings, workloads, sessions })
    }

    /// Adds a trial, unless the session has one of that index.
    pub fn trial(
        &mut self,
        session: i64,
        index: u64,
        time: f64,
        setting: &Setting,
        trial: &Trial,
    ) -> rusqlite::Result<bool> {
        let (setting, workload) = (self.setting(setting)?, self.workload(&trial.workload)?);
        let (kind, reason) = columns(&trial.outcome);
        let samples = &trial.samples;
        let rows = self.insert.execute(params![
            setting,
            workload,
            session,
            Bits(index),
            time,
            trial.input,
            trial.output,
            trial.candidate,
            kind,
            reason,
            trial.estimate,
            trial.error.filter(|error| error.is_finite()),
            Bits(trial.workspace),
            Bits(trial.packed),
            trial.code,
            Seconds::blob(&samples.warm),
            Seconds::blob(&samples.cold),
            Seconds::blob(&samples.incumbent),
            Seconds::blob(&samples.network),
            trial.against,
        ])?;
        Ok(rows > 0)
    }

    /// Adds a trial out of another database with its session, unless it is there.
    pub fn record(&mut self, record: &Record) -> rusqlite::Result<bool> {
        let session = match self.sessions.get(&record.session.id) {
            Some(id) => *id,
            None => {
                let id = self.session(&record.session)?;
                self.sessions.insert(record.session.id.clone(), id);
                id
            }
        };
        self.trial(session, record.index, record.time, &record.setting, &record.trial)
    }

    /// Adds a session, unless it is there; what is there may learn that it has ended.
    pub fn session(&self, info: &SessionInfo) -> rusqlite::Result<i64> {
        let upsert = "
            INSERT INTO sessions (name, seed, command, started, ended) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (name) DO UPDATE SET ended = coalesce(ended, excluded.ended) RETURNING id";
        let values = params![info.id, Bits(info.seed), info.command, info.started, info.ended];
        self.connection.query_row(upsert, values, |row| row.get(0))
    }

    fn setting(&mut self, setting: &Setting) -> rusqlite::Result<i64> {
        if let Some(id) = self.settings.get(setting) {
            return Ok(*id);
        }
        let Setting { isa, threads, backend, revision, machine } = setting;
        let values = params![isa, Bits(*threads as u64), backend, revision, machine];
        let find = "SELECT id FROM settings WHERE isa = ?1 AND threads = ?2 AND backend = ?3 AND revision = ?4
            AND machine = ?5";
        let insert = "INSERT INTO settings (isa, threads, backend, revision, machine) VALUES (?1, ?2, ?3, ?4, ?5)";
        let id = self.find_or_insert(find, insert, values)?;
        self.settings.insert(setting.clone(), id);
        Ok(id)
    }

    fn workload(&mut self, workload: &Workload) -> rusqlite::Result<i64> {
        if let Some(id) = self.workloads.get(workload) {
            return Ok(*id);
        }
        let find = "SELECT id FROM workloads WHERE line = ?1";
        let id = self.find_or_insert(find, "INSERT INTO workloads (line) VALUES (?1)", params![workload.0])?;
        self.workloads.insert(workload.clone(), id);
        Ok(id)
    }

    fn find_or_insert(&self, find: &str, insert: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<i64> {
        let found = self.connection.query_row(find, values, |row| row.get(0)).optional()?;
        match found {
            Some(id) => Ok(id),
            None => self.connection.execute(insert, values).map(|_| self.connection.last_insert_rowid()),
        }
    }
}
