//! Which layer gets the next round.

use super::batch::Batch;
use super::{Tuner, time};
use crate::search::ROUND;

/// Where less than this share of the time of an average network is expected to be gained by a round, tuning ends.
const WORTHLESS: f64 = 2e-4;
/// Seconds of a trial before any of its layer: compiling, and making, packing and reading each byte of operands.
const COMPILE: f64 = 0.15;
const PER_BYTE: f64 = 8e-9;

impl Tuner<'_> {
    /// A round of the layer that promises most for its time.
    pub(super) fn next_round(&mut self, batches: &[Batch]) -> Option<Batch> {
        loop {
            let task = self.next_task(batches)?;
            let proposed = self.tasks[task].search.propose();
            if !proposed.is_empty() {
                return Some(self.begin(task, proposed));
            }
            self.tasks[task].search.end_round();
        }
    }

    /// The choice by estimate of a layer that no round was worth or had time for, the heaviest first: what a network takes
    /// in time and memory is known only where something is known of each of its layers.
    pub(super) fn next_unseen(&mut self, batches: &[Batch]) -> Option<Batch> {
        let unseen = self.free(batches).filter(|&k| self.tasks[k].search.tried() == 0);
        let by_time = |a: &usize, b: &usize| time(&self.tasks[*a]).total_cmp(&time(&self.tasks[*b])).then(b.cmp(a));
        let task = unseen.max_by(by_time)?;
        // One of those that a first round takes, as a replay expects it.
        let proposed = self.tasks[task].search.propose();
        let untuned = proposed.iter().find(|&&point| self.name(task, point) == self.tasks[task].untuned);
        let point = *untuned.or(proposed.first())?;
        Some(self.begin(task, vec![point]))
    }

    /// The layers that are not at work.
    fn free(&self, batches: &[Batch]) -> impl Iterator<Item = usize> {
        (0..self.tasks.len()).filter(|k| !batches.iter().any(|batch| batch.task == *k))
    }

    /// The layer that promises most for its time, of those that are not at work and promise anything.
    fn next_task(&self, batches: &[Batch]) -> Option<usize> {
        let worthless = self.worthless(self.tasks.iter().map(time).sum());
        let gain = |k: usize| self.tasks[k].search.expected_gain() * time(&self.tasks[k]);
        let promising = self.free(batches).map(|k| (gain(k), k)).filter(|(gain, _)| *gain > worthless);
        let for_its_time = promising.map(|(gain, k)| (gain / self.round_seconds(k), k));
        for_its_time.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, k)| k)
    }

    /// Seconds of a task's next round: what the last one took, else what making its operands and compiling take at least.
    fn round_seconds(&self, task: usize) -> f64 {
        let unknown = ROUND as f64 * (COMPILE + PER_BYTE * self.tasks[task].bytes as f64);
        self.seconds.get(&task).copied().unwrap_or(unknown)
    }

    /// Seconds of gain that are not worth a round, where all networks take so many.
    pub(super) fn worthless(&self, all: f64) -> f64 {
        WORTHLESS * all / self.options.networks.max(1) as f64
    }
}
