//! The last comparison: the best few candidates of each layer, measured in turn with the winner so far.
//!
//! Times that were taken minutes apart differ by more than the best candidates do; a comparison in turn settles what they
//! leave open. Each is kept as a trial, so that a replay of the log ends with the same winners.

use super::outlook::Ending;
use super::{Incumbent, Tuner, time};
use crate::Outcome;
use crate::worker::{ArtifactFile, Compiled, End};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Candidates of a layer that are compared.
pub(super) const FINALISTS: usize = 8;
/// How much longer a comparison takes than a trial.
pub(super) const LONGER: f64 = 3.0;

impl Tuner<'_> {
    /// Compares the best of each layer, the heaviest layers first.
    pub(super) fn finish(&mut self) {
        let mut order: Vec<usize> = (0..self.tasks.len()).collect();
        order.sort_by(|&a, &b| time(&self.tasks[b]).total_cmp(&time(&self.tasks[a])));
        let all = order.iter().map(|&task| self.comparing(task)).sum();
        let mut ending = Ending { begun: Instant::now(), all, done: 0.0 };
        for task in order {
            if self.start.elapsed() > self.options.budget || self.observer.interrupted() {
                break;
            }
            let expected = self.comparing(task);
            self.compare(task);
            ending.done += expected;
            self.ending = Some(ending);
            self.tell(Some(task));
        }
    }

    /// Lets a layer's winner defend its place against the next best, one after the other.
    fn compare(&mut self, task: usize) {
        let search = &self.tasks[task].search;
        let Some(best) = search.best() else { return };
        let others: Vec<usize> = search.finalists(FINALISTS).into_iter().filter(|&point| point != best).collect();
        if others.is_empty() {
            return;
        }
        let Some((mut code, file)) = self.compiled(task, best) else { return };
        let mut winner = Incumbent { point: best, file };
        for point in others {
            let Some((compiled, file)) = self.compiled(task, point) else { continue };
            if compiled.code == code.code {
                continue;
            }
            let mut job = self.measure_job(task, point, &file, Some(&winner));
            (job.seconds, job.stop_above) = (LONGER * job.seconds, None);
            let ticket = self.pool.submit_measure(job);
            let mut trial = self.trial_of(task, point, &compiled, Some(winner.point));
            match self.end_of(ticket) {
                Some(End::Measured(measured)) => {
                    let outcome = measured.outcome();
                    trial.outcome = if outcome == Outcome::Timed { Outcome::Compared } else { outcome };
                    (trial.error, trial.samples) = (Some(measured.error), measured.samples);
                }
                Some(End::Failed(outcome)) => trial.outcome = outcome,
                Some(End::Compiled(..)) | None => continue,
            }
            self.keep(task, &trial);
            if self.tasks[task].search.best() == Some(point) {
                (code, winner) = (compiled, Incumbent { point, file });
            }
        }
    }

    /// Compiles the reference of each layer that is known from before.
    pub(super) fn recall_incumbents(&mut self) {
        for task in 0..self.tasks.len() {
            let Some(point) = self.tasks[task].search.reference() else { continue };
            if let Some((_, file)) = self.compiled(task, point) {
                self.incumbents.insert(task, Incumbent { point, file });
            }
        }
    }

    pub(super) fn compiled(&mut self, task: usize, point: usize) -> Option<(Compiled, Arc<ArtifactFile>)> {
        let job = self.compile_job(task, point);
        let ticket = self.pool.submit_compile(job);
        match self.end_of(ticket)? {
            End::Compiled(compiled, file) => Some((compiled, file)),
            _ => None,
        }
    }

    /// How the only job at work ends.
    pub(super) fn end_of(&mut self, ticket: u64) -> Option<End> {
        loop {
            match self.pool.next_event(Duration::from_millis(200)) {
                Some(event) if event.ticket == ticket => return Some(event.end),
                None if self.observer.interrupted() => return None,
                _ => {}
            }
        }
    }
}
