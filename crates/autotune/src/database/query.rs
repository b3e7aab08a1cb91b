//! Questions to the database.

use super::row::{self, OF_SETTING, ORDER, SELECT};
use super::{Database, DatabaseError, Prior, Record};
use crate::{Setting, Trial, Workload};
use rusqlite::{Row, ToSql, params};

impl Database {
    /// All trials of a workload in a setting, in the order of the log.
    pub fn trials(&self, setting: &Setting, workload: &Workload) -> Result<Vec<Trial>, DatabaseError> {
        let Setting { isa, threads, backend, revision, machine } = setting;
        let values = params![isa, row::Bits(*threads as u64), backend, revision, machine, workload.0];
        let select = format!("{SELECT} WHERE {OF_SETTING} AND w.line = ?6 {ORDER}");
        self.list(&select, values, |row| row::record(row).map(|record| record.trial))
    }

    /// All trials in a setting with their sessions, in the order of the log.
    pub fn records(&self, setting: &Setting) -> Result<Vec<Record>, DatabaseError> {
        let Setting { isa, threads, backend, revision, machine } = setting;
        let values = params![isa, row::Bits(*threads as u64), backend, revision, machine];
        self.list(&format!("{SELECT} WHERE {OF_SETTING} {ORDER}"), values, row::record)
    }

    /// All trials of a workload in other settings, in the order of the log: what to try first, not how fast it is.
    pub fn priors(&self, setting: &Setting, workload: &Workload) -> Result<Vec<Prior>, DatabaseError> {
        let Setting { isa, threads, backend, revision, machine } = setting;
        let values = params![isa, row::Bits(*threads as u64), backend, revision, machine, workload.0];
        let select = format!("{SELECT} WHERE NOT ({OF_SETTING}) AND w.line = ?6 {ORDER}");
        self.list(&select, values, |row| row::record(row).map(Prior::new))
    }

    /// All workloads that have trials, sorted.
    pub fn workloads(&self) -> Result<Vec<Workload>, DatabaseError> {
        let select = "SELECT line FROM workloads WHERE id IN (SELECT workload FROM trials) ORDER BY line";
        self.list(select, params![], |row| row.get(0).map(Workload))
    }

    /// All settings that have trials, sorted.
    pub fn settings(&self) -> Result<Vec<Setting>, DatabaseError> {
        let select = "SELECT isa, threads, backend, revision, machine
            FROM settings WHERE id IN (SELECT setting FROM trials)
            ORDER BY isa, threads, backend, revision, machine";
        self.list(select, params![], |row| row::setting(row, 0))
    }

    /// Calls `each` with every trial, in the order of the log, until it fails.
    pub(super) fn for_each<E: From<DatabaseError>>(
        &self,
        mut each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.named(self.connection.prepare(&format!("{SELECT} {ORDER}")))?;
        let mut rows = self.named(statement.query([]))?;
        while let Some(row) = self.named(rows.next())? {
            each(self.named(row::record(row))?)?;
        }
        Ok(())
    }

    /// The rows of a query.
    pub(super) fn list<T>(
        &self,
        select: &str,
        values: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, DatabaseError> {
        let mut statement = self.named(self.connection.prepare(select))?;
        let rows = self.named(statement.query_map(values, read))?;
        self.named(rows.collect())
    }
}
