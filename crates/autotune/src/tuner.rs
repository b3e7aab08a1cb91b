//! Tuning: rounds of candidates for many layers, compiled and measured by a pool of processes, until the time is used up
//! or nothing is expected to be gained.
//!
//! The time goes where most is expected of it: a layer's share of the time of all networks times what another round is
//! expected to save of it, over the time that a round takes. Three layers are at work at once, so that one is compiled while
//! another is measured; and one more for each other rank. At the end, layers that were not worth a round are timed as they
//! are, and the best few candidates of each layer measured again in turn with its winner.

mod batch;
mod certify;
mod finish;
mod jobs;
mod next;
mod outlook;
mod task;

pub use certify::{Certificate, certify};
pub use task::{Observer, Standing, Task, TuneOptions};

use crate::worker::{ArtifactFile, End, Event, Pool};
use crate::{Outcome, Trial};
use batch::{Batch, Built, Job};
use outlook::Ending;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Share of the budget that the last comparison gets; up to half of it goes to layers that had no round.
const FINISH: f64 = 0.15;
/// Candidates that are given up where they take so many times as long as the best.
const STOP_ABOVE: f64 = 1.25;

/// Tunes layers. Their searches know in the end what was found.
pub fn tune(tasks: &mut [Task], pool: &mut Pool, options: &TuneOptions, observer: &mut dyn Observer) {
    Tuner::new(tasks, pool, options, observer).run();
}

/// A candidate that others are measured in turn with.
#[derive(Clone, Debug)]
struct Incumbent {
    point: usize,
    file: Arc<ArtifactFile>,
}

struct Tuner<'a> {
    tasks: &'a mut [Task],
    pool: &'a mut Pool,
    options: &'a TuneOptions,
    observer: &'a mut dyn Observer,
    start: Instant,
    standing: Standing,
    /// Of each round that has ended, how many there were to be in all by then, should none that follows gain anything.
    ended: Vec<usize>,
    /// Seconds that the last round of each task took.
    seconds: HashMap<usize, f64>,
    /// The reference of each task: what the others are measured in turn with.
    incumbents: HashMap<usize, Incumbent>,
    /// The last comparison, once a layer of it is done.
    ending: Option<Ending>,
}

impl<'a> Tuner<'a> {
    fn new(
        tasks: &'a mut [Task],
        pool: &'a mut Pool,
        options: &'a TuneOptions,
        observer: &'a mut dyn Observer,
    ) -> Tuner<'a> {
        Tuner {
            tasks,
            pool,
            options,
            observer,
            start: Instant::now(),
            standing: Standing::default(),
            ended: vec![],
            seconds: HashMap::new(),
            incumbents: HashMap::new(),
            ending: None,
        }
    }

    fn run(&mut self) {
        if self.options.budget.is_zero() {
            return;
        }
        self.recall_incumbents();
        let budget = self.options.budget;
        self.work(budget.mul_f64(1.0 - FINISH), Tuner::next_round);
        self.work(budget.mul_f64(1.0 - FINISH / 2.0), Tuner::next_unseen);
        self.finish();
    }

    /// Takes rounds as they come and waits for them, until there are none or the time is over.
    fn work(&mut self, until: Duration, next: fn(&mut Self, &[Batch]) -> Option<Batch>) {
        let (mut batches, mut over): (Vec<Batch>, bool) = (vec![], false);
        loop {
            // Two more than are measured: some layers take long to compile and others to measure, and neither is to wait.
            let at_once = if self.options.alone { 1 } else { 2 + self.pool.measurers() };
            while batches.len() < at_once && self.start.elapsed() < until && !self.observer.interrupted() {
                let Some(batch) = next(self, &batches) else { break };
                batches.push(batch);
            }
            if batches.is_empty() {
                break;
            }
            self.tell(batches.first().map(|batch| batch.task));
            self.wait(&mut batches);
            if self.start.elapsed() > until || self.observer.interrupted() {
                // What is at work ends; the rest of the rounds is left for another time.
                for ticket in self.pool.give_up_waiting() {
                    batches.iter_mut().for_each(|batch| drop(batch.jobs.remove(&ticket)));
                }
                batches.iter_mut().for_each(|batch| batch.compiled.clear());
                over = true;
            }
            batches.retain(|batch| {
                let done = batch.jobs.is_empty();
                if done && !over {
                    self.tasks[batch.task].search.end_round();
                    self.seconds.insert(batch.task, batch.begun.elapsed().as_secs_f64());
                    self.note_round();
                }
                !done
            });
        }
    }

    fn begin(&mut self, task: usize, points: Vec<usize>) -> Batch {
        let mut batch = Batch::new(task);
        for point in points {
            let job = self.compile_job(task, point);
            batch.jobs.insert(self.pool.submit_compile(job), Job { point, built: None });
        }
        batch
    }

    /// Waits for an event and deals with it.
    fn wait(&mut self, batches: &mut [Batch]) {
        let Some(event) = self.pool.next_event(Duration::from_millis(200)) else { return };
        let Some(batch) = batches.iter_mut().find(|batch| batch.jobs.contains_key(&event.ticket)) else { return };
        self.handle(batch, event);
        self.measure(batch);
    }

    fn handle(&mut self, batch: &mut Batch, event: Event) {
        let Some(Job { point, built }) = batch.jobs.remove(&event.ticket) else { return };
        let task = batch.task;
        let mut trial = match &built {
            Some(Built { compiled, against, .. }) => self.trial_of(task, point, compiled, *against),
            None => self.blank(task, point),
        };
        match event.end {
            End::Compiled(compiled, file) => {
                trial = self.trial_of(task, point, &compiled, None);
                let known = self.tasks[task].codes.get(&compiled.code);
                if compiled.workspace > self.options.max_workspace {
                    trial.outcome = Outcome::OutOfMemory;
                } else if let Some(known) = known {
                    trial.outcome = Outcome::SameCode;
                    (trial.error, trial.samples, trial.against) =
                        (known.error, known.samples.clone(), known.against.clone());
                } else {
                    batch.compiled.push((point, compiled, file));
                    return;
                }
            }
            End::Measured(measured) => {
                trial.outcome = measured.outcome();
                trial.error = Some(measured.error);
                trial.samples = measured.samples;
                if trial.outcome == Outcome::Timed {
                    self.tasks[task].codes.insert(trial.code.clone(), trial.clone());
                    self.keep(task, &trial);
                    if let Some(Built { file, .. }) =
                        built.filter(|_| self.tasks[task].search.reference() == Some(point))
                    {
                        self.incumbents.insert(task, Incumbent { point, file });
                    }
                    return;
                }
            }
            End::Failed(outcome) => trial.outcome = outcome,
        }
        self.keep(task, &trial);
    }

    /// Measures what is compiled, as soon as it may be.
    fn measure(&mut self, batch: &mut Batch) {
        if self.options.alone && batch.jobs.values().any(|job| job.built.is_none()) {
            return;
        }
        while !batch.compiled.is_empty() {
            let incumbent = self.incumbents.get(&batch.task).cloned();
            // The first to be timed is what the others are measured in turn with.
            if incumbent.is_none() && batch.jobs.values().any(|job| job.built.is_some()) {
                return;
            }
            let (point, compiled, file) = batch.compiled.remove(0);
            let mut job = self.measure_job(batch.task, point, &file, incumbent.as_ref());
            if let Some(reference) = &incumbent {
                let search = &self.tasks[batch.task].search;
                let best = search.finalists(1).first().map_or(f64::INFINITY, |&best| search.seconds(best));
                job.stop_above = Some(STOP_ABOVE * best / search.seconds(reference.point));
            }
            let against = incumbent.map(|incumbent| incumbent.point);
            let built = Some(Built { compiled, file, against });
            batch.jobs.insert(self.pool.submit_measure(job), Job { point, built });
        }
    }

    fn keep(&mut self, task: usize, trial: &Trial) {
        match trial.outcome {
            Outcome::Timed => self.standing.timed += 1,
            Outcome::Compared => self.standing.compared += 1,
            Outcome::SameCode => self.standing.same_code += 1,
            Outcome::StoppedEarly => self.standing.stopped += 1,
            _ => self.standing.failed += 1,
        }
        self.tasks[task].search.note(trial);
        self.observer.trial(trial);
    }
}

/// Seconds of a layer under the best that is known of it, counted.
fn time(task: &Task) -> f64 {
    let search = &task.search;
    let estimate = search.points().first().map_or(0.0, |point| point.expected);
    task.count as f64 * search.best().map_or(estimate, |k| search.seconds(k))
}
