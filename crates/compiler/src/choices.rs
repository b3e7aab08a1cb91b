//! Choices made elsewhere, by measurement, which [`choose`](crate::choose()) takes in place of its estimates.
//!
//! They are given for workloads: layers as lines of a list of shapes, without count and note. A layer with entries is
//! computed in one of their ways and in no other, as long as one keeps to the bounds; the measured times take part in the
//! plan of layouts.

use cnnc_ir::graph::Candidate;
use cnnc_tensor::{Isa, Layout};
use std::collections::HashMap;

/// A way to compute a layer, as measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredWay {
    /// Layout of the first operand.
    pub input: Layout,
    /// Layout of the result.
    pub output: Layout,
    /// The candidate.
    pub candidate: Candidate,
    /// Its time in seconds, weights in memory.
    pub seconds: f64,
}

/// Measured ways of workloads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// What `inspect` calls them: `lock`, `database`.
    pub source: String,
    /// Whether a layer without an entry is an error.
    pub strict: bool,
    ways: HashMap<(Isa, String), Vec<MeasuredWay>>,
}

impl Choices {
    /// None yet.
    pub fn new(source: &str, strict: bool) -> Choices {
        Choices { source: source.into(), strict, ways: HashMap::new() }
    }

    /// Adds a way; the first of several in the same layouts counts.
    pub fn add(&mut self, isa: Isa, workload: &str, way: MeasuredWay) {
        let ways = self.ways.entry((isa, workload.to_string())).or_default();
        if !ways.iter().any(|w| (w.input, w.output) == (way.input, way.output)) {
            ways.push(way);
        }
    }

    /// The ways of a workload; none where it has no entry.
    pub fn ways(&self, isa: Isa, workload: &str) -> &[MeasuredWay] {
        self.ways.get(&(isa, workload.to_string())).map_or(&[], Vec::as_slice)
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }
}
