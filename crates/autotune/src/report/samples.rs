//! Trials for the tests of the report.

use super::Section;
use crate::database::{Record, SessionInfo};
use crate::{Outcome, Samples, Setting, Trial, Workload};

/// A trial of a layer in the first session, with that time.
pub fn record(workload: &str, candidate: &str, outcome: Outcome, seconds: f64) -> Record {
    let session = SessionInfo { id: "s".into(), seed: 1, command: "tune".into(), started: 1e9, ended: None };
    let setting = Setting {
        isa: "x86-64-v4".into(),
        threads: 1,
        backend: "llvm 19.1.7".into(),
        revision: "ab".into(),
        machine: "A 25.1.1; caches 1/2/3; 2 processors; fma".into(),
    };
    let trial = Trial {
        estimate: 1e-3,
        error: Some(1e-7),
        workspace: 1_000,
        packed: 2_000,
        code: candidate.into(),
        samples: Samples { cold: vec![seconds; 3], ..Samples::default() },
        ..Trial::new(&Workload(workload.into()), ("c16", "c16"), candidate, outcome)
    };
    Record { session, index: 0, time: 1e9 + 1.0, setting, trial }
}

/// A record at a time after its session began.
pub fn at(seconds: f64, record: Record) -> Record {
    Record { time: record.session.started + seconds, ..record }
}

/// A record that takes so many bytes.
pub fn with_bytes(workspace: u64, packed: u64, record: Record) -> Record {
    Record { trial: Trial { workspace, packed, ..record.trial }, ..record }
}

/// The section of some records.
pub fn section(records: &[Record]) -> Section {
    Section::of(records[0].setting.clone(), records, None, None)
}
