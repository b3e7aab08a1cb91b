//! What tuning has brought a network: compiled with the winners and without, each loaded several times, run in turn.
//!
//! The verdict is kept as a trial of a workload of its own ([`Workload::network`]), so that a replay of the log writes the same
//! lock.

use super::chosen::{MadeFor, compile};
use super::gap::Gap;
use super::networks::Network;
use super::picks::picks;
use super::running::{Running, in_turn, seconds};
use super::settle::places;
use cnnc_artifact::Variant;
use cnnc_autotune::lock::Lock;
use cnnc_autotune::statistics::Ratio;
use cnnc_autotune::tuner::Task;
use cnnc_autotune::{Outcome, Samples, Trial, Workload};
use cnnc_cli::CliError;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How the candidate of a verdict within a bound of memory begins, in bytes.
const WITHIN: &str = "fastest within ";
/// How often both are loaded: where their memory lies is up to chance, and one load among many ran 40% slower than others.
const LOADS: u32 = 3;
/// The winners are kept where the network is not slower by more than this.
const NOISE: f64 = 1.005;

/// A network before and after.
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// The trial that holds the times of both.
    pub trial: Trial,
    /// What its layers take alone, and what there.
    pub gap: Gap,
    /// Layers whose candidate is another one now, of those that were tuned.
    pub changed: (usize, usize),
    /// The choices.
    pub lock: Lock,
}

/// The verdict on a network, by runs in turn for so long.
pub fn of(
    network: &Network,
    tasks: &[Task],
    made_for: MadeFor,
    (bound, longest): (Option<u64>, Duration),
) -> Result<Verdict, CliError> {
    let picks = picks(network, tasks, bound)?;
    let before = compile(network, made_for.options)?;
    let after = made_for.compile(network, network.spots(), tasks, &|task| picks[task])?;
    let (mut times, mut fastest): (_, Option<Running>) = ([vec![], vec![]], None);
    for _ in 0..LOADS {
        let load = |variant: &Variant| Running::new(&network.name(), variant.clone());
        let mut runs = [load(&before)?, load(&after)?];
        in_turn(&mut runs, longest / LOADS)?;
        times.iter_mut().zip(&runs).for_each(|(times, run)| times.extend(run.totals()));
        let [_, run] = runs;
        fastest = fastest.filter(|other| other.seconds() <= run.seconds()).or(Some(run));
    }
    let trial = trial(network, bound, times);
    let fastest = fastest.ok_or_else(|| CliError::Crash(format!("{} did not run", network.name())))?;
    let all = places(network.spots(), tasks);
    let changed = all.iter().filter(|(task, _)| picks[*task] != untuned(&tasks[*task])).count();
    Ok(Verdict {
        name: network.name(),
        gap: Gap::of(&all, tasks, &fastest),
        changed: (changed, all.len()),
        lock: lock(network, tasks, &trial, made_for)?,
        trial,
    })
}

/// The lock that a verdict leads to.
pub fn lock(network: &Network, tasks: &[Task], trial: &Trial, made_for: MadeFor) -> Result<Lock, CliError> {
    let bound = trial.candidate.strip_prefix(WITHIN).and_then(|bytes| bytes.parse().ok());
    let picks = picks(network, tasks, bound)?;
    let (picked, untuned) = (|task: usize| picks[task], |task: usize| untuned(&tasks[task]));
    Ok(match kept(trial) {
        true => made_for.lock(network.spots(), tasks, &picked),
        false => made_for.lock(&network.by_estimate, tasks, &untuned),
    })
}

/// Whether the picks stay: where the network is not slower with them, or where they keep a bound.
fn kept(trial: &Trial) -> bool {
    trial.candidate.starts_with(WITHIN) || gain(trial) * NOISE >= 1.0
}

/// How many times as fast the network is with the picks, as both ran in turn.
fn gain(trial: &Trial) -> f64 {
    Ratio::of(&trial.samples.incumbent, &trial.samples.network).map_or(1.0, |ratio| ratio.median)
}

/// The point that is chosen without tuning, where it was timed.
pub fn untuned(task: &Task) -> Option<usize> {
    let Task { untuned, search, .. } = task;
    let first = search.point_named(untuned);
    first.filter(|&point| search.found(point).is_some_and(|found| found.complete))
}

fn trial(network: &Network, bound: Option<u64>, [incumbent, network_times]: [Vec<f64>; 2]) -> Trial {
    let candidate = bound.map_or("winners of all layers".into(), |bytes| format!("{WITHIN}{bytes}"));
    Trial {
        against: "choice by estimate".into(),
        samples: Samples { network: network_times, incumbent, ..Samples::default() },
        ..Trial::new(&Workload::network(&network.name()), ("", ""), &candidate, Outcome::Compared)
    }
}

impl Verdict {
    /// Milliseconds before and after.
    fn times(&self) -> (f64, f64) {
        let samples = &self.trial.samples;
        (seconds(&samples.incumbent) * 1e3, seconds(&samples.network) * 1e3)
    }

    /// As text.
    pub fn text(&self, lock: &Path) -> String {
        let Verdict { name, changed: (changed, all), gap, trial, .. } = self;
        let (before, after) = self.times();
        let kept = if kept(trial) { "" } else { "; no faster, so the lock holds the choice by estimate" };
        format!(
            "{name}: {before:.3} ms untuned, {after:.3} ms tuned ({:.3} times as fast){kept}\n  \
             {changed} of {all} layers have another candidate; wrote {}\n{}",
            gain(trial),
            lock.display(),
            gap.text()
        )
    }

    /// As a JSON event.
    pub fn json(&self, lock: &Path) -> serde_json::Value {
        let Verdict { name, changed: (changed, all), gap, trial, .. } = self;
        let (before, after) = self.times();
        json!({
            "event": "network", "model": name, "untuned_ms": before, "tuned_ms": after, "gain": gain(trial), "changed": changed,
            "layers": all, "kept": kept(trial), "lock": lock.display().to_string(), "gap": gap,
        })
    }
}
