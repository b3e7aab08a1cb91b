//! Rows of tables as records, and back.

use super::{Record, SessionInfo};
use crate::{Outcome, Samples, Setting, Trial, Workload};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, Value, ValueRef};

/// All of a trial; conditions and [`ORDER`] may follow.
pub(super) const SELECT: &str = "
SELECT s.name, s.seed, s.command, s.started, s.ended, t.position, t.time,
    e.isa, e.threads, e.backend, e.revision, e.machine, w.line, t.input, t.output, t.candidate,
    t.outcome, t.reason, t.estimate, t.error, t.workspace, t.packed, t.code, t.warm, t.cold, t.incumbent, t.network, t.against
FROM trials t
JOIN sessions s ON s.id = t.session
JOIN settings e ON e.id = t.setting
JOIN workloads w ON w.id = t.workload";

/// The order of the log.
pub(super) const ORDER: &str = " ORDER BY s.started, s.name, t.position";

/// The condition of a setting, whose fields are the first five parameters.
pub(super) const OF_SETTING: &str =
    " e.isa = ?1 AND e.threads = ?2 AND e.backend = ?3 AND e.revision = ?4 AND e.machine = ?5";

/// A row of [`SELECT`].
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let trial = Trial {
        workload: Workload(row.get(12)?),
        input: row.get(13)?,
        output: row.get(14)?,
        candidate: row.get(15)?,
        outcome: outcome(&row.get::<_, String>(16)?, row.get(17)?)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(16, "outcome".into(), Type::Text))?,
        estimate: row.get(18)?,
        error: row.get(19)?,
        workspace: row.get::<_, Bits>(20)?.0,
        packed: row.get::<_, Bits>(21)?.0,
        code: row.get(22)?,
        against: row.get(27)?,
        samples: Samples {
            warm: row.get::<_, Seconds>(23)?.0,
            cold: row.get::<_, Seconds>(24)?.0,
            incumbent: row.get::<_, Seconds>(25)?.0,
            network: row.get::<_, Seconds>(26)?.0,
        },
    };
    Ok(Record {
        session: session(row)?,
        index: row.get::<_, Bits>(5)?.0,
        time: row.get(6)?,
        setting: setting(row, 7)?,
        trial,
    })
}

/// The session of a row that begins with its columns.
pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<SessionInfo> {
    Ok(SessionInfo {
        id: row.get(0)?,
        seed: row.get::<_, Bits>(1)?.0,
        command: row.get(2)?,
        started: row.get(3)?,
        ended: row.get(4)?,
    })
}

/// The setting of a row, whose columns begin with that one.
pub(super) fn setting(row: &Row<'_>, first: usize) -> rusqlite::Result<Setting> {
    Ok(Setting {
        isa: row.get(first)?,
        threads: row.get::<_, Bits>(first + 1)?.0 as usize,
        backend: row.get(first + 2)?,
        revision: row.get(first + 3)?,
        machine: row.get(first + 4)?,
    })
}

/// An outcome as the table has it: its kind, and its text where it has one.
pub(super) fn columns(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Timed => ("timed", None),
        Outcome::Compared => ("compared", None),
        Outcome::StoppedEarly => ("stopped_early", None),
        Outcome::SameCode => ("same_code", None),
        Outcome::NotCompiled(reason) => ("not_compiled", Some(reason)),
        Outcome::Wrong => ("wrong", None),
        Outcome::Crashed(reason) => ("crashed", Some(reason)),
        Outcome::TimedOut => ("timed_out", None),
        Outcome::OutOfMemory => ("out_of_memory", None),
    }
}

/// What [`columns`] makes of an outcome, as the outcome again.
fn outcome(kind: &str, reason: Option<String>) -> Option<Outcome> {
    Some(match (kind, reason) {
        ("timed", None) => Outcome::Timed,
        ("compared", None) => Outcome::Compared,
        ("stopped_early", None) => Outcome::StoppedEarly,
        ("same_code", None) => Outcome::SameCode,
        ("not_compiled", Some(reason)) => Outcome::NotCompiled(reason),
        ("wrong", None) => Outcome::Wrong,
        ("crashed", Some(reason)) => Outcome::Crashed(reason),
        ("timed_out", None) => Outcome::TimedOut,
        ("out_of_memory", None) => Outcome::OutOfMemory,
        _ => return None,
    })
}

/// An unsigned number, whose bits a column of signed ones holds.
#[derive(Clone, Copy)]
pub(super) struct Bits(pub u64);

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0 as i64))
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Bits> {
        value.as_i64().map(|bits| Bits(bits as u64))
    }
}

/// Times in a blob: f64 in little endian, one after the other.
pub(super) struct Seconds(pub Vec<f64>);

impl Seconds {
    /// The blob.
    pub fn blob(times: &[f64]) -> Value {
        Value::Blob(times.iter().flat_map(|seconds| seconds.to_le_bytes()).collect())
    }
}

impl FromSql for Seconds {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Seconds> {
        match value.as_blob()?.as_chunks() {
            (times, []) => Ok(Seconds(times.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}
