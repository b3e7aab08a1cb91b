//! Fitted terms of the analytic costs, beside the trials that they were fitted to.

use super::row::{self, ORDER, SELECT};
use super::{Database, DatabaseError, Record};
use crate::Setting;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

/// Terms by their names.
pub type Terms = BTreeMap<String, f64>;

impl Database {
    /// The terms that are kept for code of a setting, whatever its threads and its revision; `None` where none are.
    pub fn terms(&self, setting: &Setting) -> Result<Option<Terms>, DatabaseError> {
        let select = "SELECT terms FROM calibrations WHERE isa = ?1 AND backend = ?2 AND machine = ?3";
        let values = params![setting.isa, setting.backend, setting.machine];
        let text = self.connection.query_row(select, values, |row| row.get::<_, String>(0)).optional();
        let Some(text) = self.named(text)? else { return Ok(None) };
        let damaged = |e: serde_json::Error| DatabaseError::Damaged {
            path: self.path.clone(),
            what: format!("the terms of {}: {e}", setting.isa),
        };
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    /// Keeps terms for code of a setting, in place of those that were there; none where `None`.
    pub fn keep_terms(&self, setting: &Setting, terms: Option<&Terms>) -> Result<(), DatabaseError> {
        let Setting { isa, backend, machine, .. } = setting;
        let done = match terms {
            Some(terms) => {
                let insert =
                    "INSERT OR REPLACE INTO calibrations (isa, backend, machine, terms) VALUES (?1, ?2, ?3, ?4)";
                let text = serde_json::to_string(terms).map_err(std::io::Error::from)?;
                self.connection.execute(insert, params![isa, backend, machine, text])
            }
            None => {
                let delete = "DELETE FROM calibrations WHERE isa = ?1 AND backend = ?2 AND machine = ?3";
                self.connection.execute(delete, params![isa, backend, machine])
            }
        };
        self.named(done).map(drop)
    }

    /// All trials on a setting's machine of code for its instruction set by its code generator, whatever their threads and
    /// their revision, in the order of the log.
    pub fn records_alike(&self, setting: &Setting) -> Result<Vec<Record>, DatabaseError> {
        let Setting { isa, backend, machine, .. } = setting;
        let select = format!("{SELECT} WHERE e.isa = ?1 AND e.backend = ?2 AND e.machine = ?3 {ORDER}");
        self.list(&select, params![isa, backend, machine], row::record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_kept_for_a_machine_and_an_instruction_set() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_or_create(&folder.path().join("tuning.db")).unwrap();
        let setting = |isa: &str, threads: usize| Setting {
            isa: isa.into(),
            threads,
            backend: "llvm".into(),
            revision: threads.to_string(),
            machine: "here".into(),
        };
        let terms = Terms::from([("tiled_end".to_string(), 12.5)]);
        assert_eq!(database.terms(&setting("v3", 1)).unwrap(), None);
        database.keep_terms(&setting("v3", 1), Some(&Terms::new())).unwrap();
        database.keep_terms(&setting("v3", 1), Some(&terms)).unwrap();
        assert_eq!(database.terms(&setting("v3", 2)).unwrap(), Some(terms));
        assert_eq!(database.terms(&setting("v4", 1)).unwrap(), None);
        database.keep_terms(&setting("v3", 2), None).unwrap();
        assert_eq!(database.terms(&setting("v3", 1)).unwrap(), None);
        database.connection.execute("INSERT INTO calibrations VALUES ('v3', 'llvm', 'here', '{')", []).unwrap();
        assert!(database.terms(&setting("v3", 1)).unwrap_err().to_string().contains("terms of v3"));
    }
}
