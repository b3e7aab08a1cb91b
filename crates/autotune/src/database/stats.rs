//! How much there is of what.

use super::{Database, DatabaseError};
use rusqlite::params;
use serde::Serialize;

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Sessions.
    pub sessions: u64,
    /// All trials.
    pub total: Tally,
    /// How many trials ended how, the most frequent first.
    pub outcomes: Vec<(String, u64)>,
    /// Trials of each machine.
    pub machines: Vec<Tally>,
    /// Trials of each revision.
    pub revisions: Vec<Tally>,
    /// Trials of each workload.
    pub workloads: Vec<Tally>,
}

/// Trials that have something in common, by how they ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// What they have in common.
    pub name: String,
    /// How many there are.
    pub trials: u64,
    /// Timed to the end, for the first time or in a comparison.
    pub timed: u64,
    /// Given up as clearly slower than the best.
    pub stopped_early: u64,
    /// Of the same machine code as another.
    pub same_code: u64,
    /// Not compiled, wrong, crashed, or over a limit.
    pub failed: u64,
}

impl Database {
    /// Reads the whole file, and counts.
    pub fn stats(&self) -> Result<Stats, DatabaseError> {
        self.check()?;
        let (sessions, total) = (self.sessions()?.len() as u64, self.tallies("'all'")?.pop());
        let outcomes = "SELECT outcome, count(*) AS n FROM trials GROUP BY outcome ORDER BY n DESC, outcome";
        let none = Tally { name: "all".into(), trials: 0, timed: 0, stopped_early: 0, same_code: 0, failed: 0 };
        Ok(Stats {
            sessions,
            total: total.unwrap_or(none),
            outcomes: self.list(outcomes, params![], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?,
            machines: self.tallies("e.machine")?,
            revisions: self.tallies("e.revision")?,
            workloads: self.tallies("w.line")?,
        })
    }

    /// Counts trials by a column, the most frequent first.
    fn tallies(&self, column: &str) -> Result<Vec<Tally>, DatabaseError> {
        let select = format!(
            "SELECT {column}, count(*), sum(t.outcome IN ('timed', 'compared')), sum(t.outcome = 'stopped_early'),
                sum(t.outcome = 'same_code')
            FROM trials t JOIN settings e ON e.id = t.setting JOIN workloads w ON w.id = t.workload
            GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        self.list(&select, params![], |row| {
            let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
            let (trials, timed, stopped_early, same_code) = (count(1)?, count(2)?, count(3)?, count(4)?);
            let failed = trials - timed - stopped_early - same_code;
            Ok(Tally { name: row.get(0)?, trials, timed, stopped_early, same_code, failed })
        })
    }
}
