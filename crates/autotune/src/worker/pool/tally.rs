//! How many jobs a rank has done.

use super::End;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Jobs that ended well.
#[derive(Debug, Default)]
pub struct Tally {
    compiled: AtomicUsize,
    measured: AtomicUsize,
}

impl Tally {
    pub(super) fn count(&self, end: &End) {
        match end {
            End::Compiled(..) => self.compiled.fetch_add(1, Ordering::Relaxed),
            End::Measured(_) => self.measured.fetch_add(1, Ordering::Relaxed),
            End::Failed(_) => 0,
        };
    }

    /// Candidates compiled.
    pub fn compiled(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// Candidates measured.
    pub fn measured(&self) -> usize {
        self.measured.load(Ordering::Relaxed)
    }
}
