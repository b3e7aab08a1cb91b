//! The tuning database from outside: questions, exchange, damage, several processes.
#![allow(clippy::unwrap_used)]

mod damage;
mod exchange;
mod processes;
mod questions;
mod survival;

use cnnc_autotune::{Database, Outcome, Samples, Setting, Trial, Workload};
use tempfile::TempDir;

/// A folder with a new database.
fn database() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open_or_create(&folder.path().join("tuning.db")).unwrap();
    (folder, database)
}

fn setting(revision: &str, machine: &str) -> Setting {
    let (revision, machine) = (revision.into(), machine.into());
    Setting { isa: "x86-64-v4".into(), threads: 2, backend: "llvm 19.1.7".into(), revision, machine }
}

fn workload() -> Workload {
    Workload("conv 1x64x56x56 64x64x3x3 pad=1 tail=bias+relu".into())
}

/// A trial that was timed to the end, with those times with weights in memory.
fn timed(candidate: &str, cold: &[f64]) -> Trial {
    Trial {
        estimate: 1.5e-3,
        error: Some(2e-7),
        workspace: 4096,
        packed: 147_456,
        code: format!("code of {candidate}"),
        samples: Samples { warm: vec![0.5], cold: cold.to_vec(), ..Samples::default() },
        ..Trial::new(&workload(), ("c16", "c16"), candidate, Outcome::Timed)
    }
}

fn ended(candidate: &str, outcome: Outcome) -> Trial {
    Trial { outcome, error: None, code: String::new(), samples: Samples::default(), ..timed(candidate, &[]) }
}

fn export(database: &Database) -> String {
    let mut lines = Vec::new();
    database.export(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}
