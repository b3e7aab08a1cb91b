//! The thread of a worker process of another rank: gives it jobs, and tells what has become of each.
//!
//! The rank keeps the limits of time itself, and starts its process anew where it dies. A rank that does not answer at
//! all is lost: its jobs go back to the queue, for others.

use super::event::{End, Event};
use super::job::{ArtifactFile, MeasureJob, Work};
use super::queue::{Duties, Jobs};
use super::{PoolOptions, Tally};
use crate::worker::ranks::{Done, Ended, Held, Order, Rank};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How long a rank may take beyond the limits of what it does before it is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives jobs to one process of another rank.
pub(super) struct Lane {
    pub rank: Arc<Rank>,
    pub options: Arc<PoolOptions>,
    pub jobs: Arc<Jobs>,
    pub duties: Duties,
    pub events: Sender<Event>,
    pub tally: Arc<Tally>,
}

impl Lane {
    /// Does jobs until the queue is closed or the rank is lost.
    pub(super) fn run(self) {
        while let Some((ticket, work)) = self.jobs.take(self.duties, Some(&self.rank)) {
            let (compiling, measuring) = (self.options.compile.hard, self.options.measure.hard);
            let (order, limit) = match &work {
                Work::Compile(job) => (Order::Compile { ticket, job: job.clone() }, compiling),
                // It may have to compile both first.
                Work::Measure(job) => (self.measure(ticket, job), 2 * compiling + measuring),
            };
            let Some(done) = self.rank.ask(ticket, order, limit + PATIENCE) else {
                self.jobs.put_back(ticket, work);
                return;
            };
            let event = self.event(done, &work);
            let kind = work.kind();
            drop(work);
            self.jobs.done(kind);
            self.tally.count(&event.end);
            if self.events.send(event).is_err() {
                return;
            }
        }
    }

    fn measure(&self, ticket: u64, job: &MeasureJob) -> Order {
        let held = |artifact: &Arc<ArtifactFile>| {
            artifact.is_held_by(&self.rank);
            Held { id: artifact.id(), job: artifact.job().clone() }
        };
        Order::Measure {
            ticket,
            artifact: held(&job.artifact),
            incumbent: job.incumbent.as_ref().map(|artifact| Box::new(held(artifact))),
            threads: job.threads,
            seconds: job.seconds,
            stop_above: job.stop_above,
            max_error: job.max_error,
        }
    }

    fn event(&self, done: Done, work: &Work) -> Event {
        let Done { ticket, ended, seconds, slow, said } = done;
        let end = match (ended, work) {
            (Ended::Compiled(compiled), Work::Compile(job)) => {
                let artifact = Arc::new(ArtifactFile::new(ticket, job.clone()));
                artifact.is_held_by(&self.rank);
                End::Compiled(compiled, artifact)
            }
            (Ended::Measured(measured), Work::Measure(_)) => End::Measured(measured),
            (Ended::Failed(outcome), _) => End::Failed(outcome),
            _ => End::Failed(crate::Outcome::Crashed("broken answer".into())),
        };
        Event { ticket, end, seconds, slow, said }
    }
}
