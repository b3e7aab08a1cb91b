//! Trials in and out: JSON Lines, and other databases.

use super::record::unstorable;
use super::writer::Writer;
use super::{Database, DatabaseError, Record};
use std::io::{self, BufRead, Read, Write};

/// A longer line is no trial: reading stops there and does not fill the memory.
const LONGEST_LINE: u64 = 64 << 20;

/// How many wrong lines an error names.
const NAMED_LINES: usize = 5;

/// What an import or a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Added {
    /// Trials that are new.
    pub new: u64,
    /// Trials that were there.
    pub known: u64,
}

impl Database {
    /// Writes every trial as a line of JSON, in the order of the log, and returns how many there are.
    pub fn export(&self, to: &mut impl Write) -> Result<u64, DatabaseError> {
        let mut count = 0;
        self.for_each(|record| {
            serde_json::to_writer(&mut *to, &record).map_err(io::Error::from)?;
            to.write_all(b"\n")?;
            count += 1;
            Ok::<(), DatabaseError>(())
        })?;
        to.flush()?;
        Ok(count)
    }

    /// Adds the trials of an export, all or, where a line is wrong, none. Those that are there are left as they are.
    pub fn import(&self, from: impl BufRead) -> Result<Added, DatabaseError> {
        // All is read before the file is locked: a slow source must not keep others from appending.
        let records = read_lines(from)?;
        let transaction = self.write()?;
        let mut writer = self.named(Writer::new(&transaction))?;
        let mut added = Added::default();
        for record in &records {
            added.count(self.named(writer.record(record))?);
        }
        drop(writer);
        self.named(transaction.commit())?;
        Ok(added)
    }

    /// Adds the trials of another database, all or none. Those that are there are left as they are.
    pub fn merge(&self, other: &Database) -> Result<Added, DatabaseError> {
        other.check()?;
        let transaction = self.write()?;
        let mut writer = self.named(Writer::new(&transaction))?;
        let mut added = Added::default();
        other.for_each(|record| {
            added.count(self.named(writer.record(&record))?);
            Ok::<(), DatabaseError>(())
        })?;
        drop(writer);
        self.named(transaction.commit())?;
        Ok(added)
    }
}

impl Added {
    fn count(&mut self, new: bool) {
        *(if new { &mut self.new } else { &mut self.known }) += 1;
    }
}

/// The records of an export; empty lines are passed over.
fn read_lines(mut from: impl BufRead) -> Result<Vec<Record>, DatabaseError> {
    let (mut records, mut wrong, mut more, mut line) = (Vec::new(), Vec::new(), 0, Vec::new());
    for number in 1u64.. {
        line.clear();
        if from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == LONGEST_LINE {
            return Err(DatabaseError::Lines(format!("line {number} is longer than any trial")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(record) => records.push(record),
            Err(what) if wrong.len() < NAMED_LINES => wrong.push(format!("line {number}: {what}")),
            Err(_) => more += 1,
        }
    }
    if wrong.is_empty() {
        return Ok(records);
    }
    if more > 0 {
        wrong.push(format!("{more} more"));
    }
    Err(DatabaseError::Lines(wrong.join("; ")))
}

fn parse(line: &[u8]) -> Result<Record, String> {
    // The position within the file is the line's number; serde_json's own says line 1 of each.
    let record: Record =
        serde_json::from_slice(line).map_err(|error| match error.to_string().split_once(" at line ") {
            Some((what, _)) => format!("{what} (column {})", error.column()),
            None => error.to_string(),
        })?;
    unstorable(&record.trial).map_or(Ok(record), |what| Err(what.into()))
}
