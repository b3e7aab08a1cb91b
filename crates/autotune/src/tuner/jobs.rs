//! What the processes are asked for, and the trials that become of it.

use super::{Incumbent, Task, Tuner};
use crate::worker::{ArtifactFile, CompileJob, Compiled, MeasureJob};
use crate::{Outcome, Setting, Trial};
use std::sync::Arc;

/// Seconds of timing of a trial at least, and runs that a trial should have.
const SHORTEST: f64 = 0.012;
const RUNS: f64 = 9.0;
/// Seconds of timing of a trial at most.
const LONGEST: f64 = 0.25;

impl Tuner<'_> {
    pub(super) fn compile_job(&self, task: usize, point: usize) -> CompileJob {
        let Setting { isa, threads, backend, .. } = &self.options.setting;
        let Task { workload, input, output, .. } = &self.tasks[task];
        CompileJob {
            layer: workload.0.clone(),
            input: input.clone(),
            output: output.clone(),
            candidate: self.name(task, point),
            isa: isa.clone(),
            backend: backend.clone(),
            threads: *threads,
        }
    }

    pub(super) fn measure_job(
        &self,
        task: usize,
        point: usize,
        file: &Arc<ArtifactFile>,
        incumbent: Option<&Incumbent>,
    ) -> MeasureJob {
        MeasureJob {
            artifact: file.clone(),
            incumbent: incumbent.map(|incumbent| incumbent.file.clone()),
            threads: self.options.setting.threads,
            seconds: self.trial_seconds(task, point),
            stop_above: None,
            max_error: self.options.max_error,
        }
    }

    /// Seconds of timing of a trial: each turn runs the candidate and the incumbent, and pushes the weights of both out of
    /// the caches.
    pub(super) fn trial_seconds(&self, task: usize, point: usize) -> f64 {
        let point = &self.tasks[task].search.points()[point];
        (RUNS * 3.0 * point.expected).clamp(SHORTEST, LONGEST)
    }

    pub(super) fn blank(&self, task: usize, point: usize) -> Trial {
        let Task { workload, input, output, search, .. } = &self.tasks[task];
        let trial = Trial::new(workload, (input, output), &self.name(task, point), Outcome::TimedOut);
        Trial { estimate: search.points()[point].estimate, ..trial }
    }

    /// A trial of a compiled candidate, measured in turn with another one if there is one.
    pub(super) fn trial_of(&self, task: usize, point: usize, compiled: &Compiled, against: Option<usize>) -> Trial {
        Trial {
            code: compiled.code.clone(),
            workspace: compiled.workspace,
            packed: compiled.packed,
            against: against.map_or(String::new(), |point| self.name(task, point)),
            ..self.blank(task, point)
        }
    }

    pub(super) fn name(&self, task: usize, point: usize) -> String {
        self.tasks[task].search.points()[point].candidate.to_string()
    }
}
