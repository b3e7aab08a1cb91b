//! What the trials of one layer come to: its candidates by time, and what failed.

use super::work::Work;
use crate::database::{Ranked, Record};
use crate::paired::Paired;
use crate::{Outcome, Trial, Workload};
use std::collections::BTreeMap;

/// Times that are drawn and compared; what lies outside comes from no measurement.
const TIMES: std::ops::Range<f64> = 1e-9..1e6;

/// A layer with what became of its candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The layer.
    pub workload: Workload,
    /// How often it is counted.
    pub count: usize,
    /// Its work; `None` where its line cannot be read.
    pub work: Option<Work>,
    /// Candidates that have a time: those timed to the end first, the fastest first; then those given up.
    pub candidates: Vec<Tried>,
    /// Trials that failed: how, why, how many; the most frequent first.
    pub failures: Vec<(&'static str, String, usize)>,
    /// All trials.
    pub trials: usize,
    /// Seconds of the candidate that the cost model would take, of those timed.
    pub untuned: Option<f64>,
}

/// A candidate that has a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Layout of the first operand.
    pub input: String,
    /// Layout of the result.
    pub output: String,
    /// The candidate.
    pub candidate: String,
    /// How far it was timed.
    pub state: State,
    /// Seconds with weights in memory, as candidates are compared by.
    pub seconds: f64,
    /// Measured error, relative to the largest element.
    pub error: Option<f64>,
    /// Bytes of workspace.
    pub workspace: u64,
    /// Bytes of packed weights.
    pub packed: u64,
    /// What the cost model expected, in seconds.
    pub estimate: f64,
}

/// How far a candidate was timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// To the end.
    Timed,
    /// Its machine code was, as another candidate's.
    SameCode,
    /// Given up as slower than the best.
    StoppedEarly,
}

impl Measured {
    /// Of the trials of a layer in one setting, in the order of the log.
    pub fn of(workload: Workload, count: usize, records: &[&Record]) -> Measured {
        let mut places: BTreeMap<[&str; 2], Paired> = BTreeMap::new();
        let mut groups: BTreeMap<[&str; 3], Vec<&Trial>> = BTreeMap::new();
        for Record { trial, .. } in records {
            places.entry([&trial.input, &trial.output]).or_default().note(trial);
            groups.entry([&trial.input, &trial.output, &trial.candidate]).or_default().push(trial);
        }
        let ranked = Ranked::all(records.iter().map(|record| record.trial.clone()));
        let mut candidates: Vec<Tried> = ranked.iter().map(|r| Tried::new(&r.trial, State::Timed, r.seconds)).collect();
        for ([input, output, candidate], group) in &groups {
            let seconds = places.get(&[*input, *output]).map_or(f64::INFINITY, |paired| paired.seconds(candidate));
            candidates.extend(without_end(group, seconds));
        }
        candidates.retain(|tried| TIMES.contains(&tried.seconds));
        let end = |state| state == State::StoppedEarly;
        candidates.sort_by(|a, b| {
            let time = end(a.state).cmp(&end(b.state)).then(a.seconds.total_cmp(&b.seconds));
            time.then(a.state.cmp(&b.state))
        });
        let complete = candidates.iter().filter(|tried| !end(tried.state));
        let untuned = complete.min_by(|a, b| a.estimate.total_cmp(&b.estimate)).map(|tried| tried.seconds);
        let (work, failures) = (Work::of(&workload), failures(records));
        Measured { workload, count, work, candidates, failures, trials: records.len(), untuned }
    }

    /// The fastest candidate that was timed to the end.
    pub fn winner(&self) -> Option<&Tried> {
        self.candidates.iter().find(|tried| tried.state == State::Timed)
    }

    /// Candidates that were timed to the end.
    pub fn complete(&self) -> impl Iterator<Item = &Tried> {
        self.candidates.iter().filter(|tried| tried.state != State::StoppedEarly)
    }

    /// Seconds of the winner as often as the layer is counted.
    pub fn seconds(&self) -> f64 {
        self.winner().map_or(0.0, |tried| tried.seconds * self.count as f64)
    }

    /// Trials that failed.
    pub fn failed(&self) -> usize {
        self.failures.iter().map(|(_, _, count)| count).sum()
    }

    /// GFLOP/s of the winner, by the layer's definition.
    pub fn rate(&self) -> Option<f64> {
        Some(self.work?.flops / self.winner()?.seconds * 1e-9)
    }
}

impl Tried {
    fn new(trial: &Trial, state: State, seconds: f64) -> Tried {
        Tried {
            input: trial.input.clone(),
            output: trial.output.clone(),
            candidate: trial.candidate.clone(),
            state,
            seconds,
            error: trial.error,
            workspace: trial.workspace,
            packed: trial.packed,
            estimate: trial.estimate,
        }
    }

    /// Bytes that it takes besides operands and result.
    pub fn bytes(&self) -> f64 {
        self.workspace as f64 + self.packed as f64
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> &str {
        self.candidate.split('(').next().unwrap_or_default()
    }

    /// How far it was timed, in words.
    pub fn outcome(&self) -> &'static str {
        match self.state {
            State::Timed => label(&Outcome::Timed),
            State::SameCode => label(&Outcome::SameCode),
            State::StoppedEarly => label(&Outcome::StoppedEarly),
        }
    }
}

/// A candidate that was never timed to the end itself but has a time; what ever computed wrong numbers has none.
fn without_end(group: &[&Trial], seconds: f64) -> Option<Tried> {
    if group.iter().any(|trial| matches!(trial.outcome, Outcome::Wrong | Outcome::Timed)) {
        return None;
    }
    let last = group.iter().rev().find(|trial| trial.outcome != Outcome::Compared)?;
    match last.outcome {
        Outcome::SameCode => Some(Tried::new(last, State::SameCode, seconds)),
        Outcome::StoppedEarly => Some(Tried::new(last, State::StoppedEarly, seconds)),
        _ => None,
    }
}

/// An outcome in words, without its reason.
pub fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Timed => "timed",
        Outcome::Compared => "compared",
        Outcome::StoppedEarly => "stopped early",
        Outcome::SameCode => "same code",
        Outcome::NotCompiled(_) => "not compiled",
        Outcome::Wrong => "wrong numbers",
        Outcome::Crashed(_) => "crashed",
        Outcome::TimedOut => "timed out",
        Outcome::OutOfMemory => "out of memory",
    }
}

/// Failed trials, by how they ended and why.
fn failures(records: &[&Record]) -> Vec<(&'static str, String, usize)> {
    let mut counts: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for Record { trial, .. } in records {
        let reason = match &trial.outcome {
            Outcome::Timed | Outcome::Compared | Outcome::StoppedEarly | Outcome::SameCode => continue,
            Outcome::NotCompiled(reason) | Outcome::Crashed(reason) => reason.clone(),
            Outcome::Wrong => "error beyond the bound".into(),
            Outcome::TimedOut => "over the limit of time".into(),
            Outcome::OutOfMemory => "over the limit of memory".into(),
        };
        *counts.entry((label(&trial.outcome), reason)).or_default() += 1;
    }
    let mut failures: Vec<_> = counts.into_iter().map(|((label, reason), count)| (label, reason, count)).collect();
    failures.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    failures
}

#[cfg(test)]
mod tests {
    use super::super::samples::record;
    use super::*;

    #[test]
    fn candidates_stand_by_time_and_failures_apart() {
        let wrong = record("a", "gemm(mr=9)", Outcome::Wrong, 1e-5);
        let records = [
            record("a", "direct(mr=4)", Outcome::Timed, 3e-3),
            record("a", "gemm(mr=1)", Outcome::Timed, 2e-3),
            record("a", "gemm(mr=2)", Outcome::StoppedEarly, 1e-3),
            record("a", "gemm(mr=3)", Outcome::SameCode, 2e-3),
            record("a", "gemm(mr=4)", Outcome::Crashed("SIGILL".into()), 0.0),
            record("a", "gemm(mr=5)", Outcome::Crashed("SIGILL".into()), 0.0),
            record("a", "gemm(mr=6)", Outcome::TimedOut, 0.0),
            record("a", "gemm(mr=7)", Outcome::Timed, -1.0),
            record("a", "gemm(mr=9)", Outcome::Timed, 1e-5),
            wrong,
        ];
        let measured = Measured::of(Workload("a".into()), 3, &records.iter().collect::<Vec<_>>());
        let names: Vec<&str> = measured.candidates.iter().map(|tried| tried.candidate.as_str()).collect();
        assert_eq!(names, ["gemm(mr=1)", "gemm(mr=3)", "direct(mr=4)", "gemm(mr=2)"]);
        assert_eq!(measured.winner().map(|tried| tried.algorithm()), Some("gemm"));
        assert!((measured.seconds() - 6e-3).abs() < 1e-12);
        assert_eq!((measured.failed(), measured.trials, measured.rate()), (4, 10, None));
        let mut compared = record("a", "direct(mr=4)", Outcome::Compared, 0.9e-3);
        compared.trial.against = "gemm(mr=1)".into();
        compared.trial.samples.incumbent = vec![1e-3; 3];
        let records = [&records[0], &records[1], &compared];
        let settled = Measured::of(Workload("a".into()), 1, &records);
        assert_eq!(settled.winner().map(|tried| tried.algorithm()), Some("direct"), "who won in turn is the winner");
        assert_eq!(measured.failures[0], ("crashed", "SIGILL".to_string(), 2));
    }
}
