//! What tuning has brought a network: compiled with the winners and without, run in turn.

use super::compile_failure;
use super::gap::Gap;
use super::networks::Network;
use super::running::{Running, in_turn};
use super::settle::places;
use super::tasks::{Place, Spot};
use cnnc_autotune::Setting;
use cnnc_autotune::lock::{Lock, LockKey, Locked, LockedChoice, Section};
use cnnc_autotune::tuner::Task;
use cnnc_cli::CliError;
use cnnc_compiler::{Options, compile_graph};
use cnnc_ir::graph::parse_candidate;
use cnnc_tensor::Target;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long both run in turn.
pub const LONGEST: Duration = Duration::from_secs(4);
/// The winners are kept where the network is not slower by more than this.
const NOISE: f64 = 1.005;

/// A network before and after.
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Seconds as chosen by estimate.
    pub untuned: f64,
    /// Seconds with the winners.
    pub tuned: f64,
    /// What its layers take alone, and what there.
    pub gap: Gap,
    /// Layers whose candidate is another one now, of those that were tuned.
    pub changed: (usize, usize),
    /// Whether the winners were kept.
    pub kept: bool,
    /// The choices.
    pub lock: Lock,
}

/// The verdict on a network.
pub fn of(
    network: &Network,
    spots: &[Spot],
    tasks: &[Task],
    (setting, options, target): (&Setting, &Options, &Target),
) -> Result<Verdict, CliError> {
    let winner = |task: usize| tasks[task].search.best();
    let untuned = |task: usize| {
        let first = parse_candidate(&tasks[task].untuned).ok().and_then(|c| tasks[task].search.point_of(&c));
        first.filter(|&point| tasks[task].search.found(point).is_some()).or_else(|| winner(task))
    };
    let mut runs = [
        Running::new(&network.name(), compile(network, options)?)?,
        compile_with(network, spots, tasks, &winner, setting, options, target)?,
    ];
    in_turn(&mut runs, LONGEST)?;
    let [before, after] = &runs;
    let kept = after.seconds() <= NOISE * before.seconds();
    let choice: &dyn Fn(usize) -> Option<usize> = if kept { &winner } else { &untuned };
    let lock = lock_of(spots, tasks, choice, setting, options, target);
    let all = places(spots, tasks);
    let changed = all.iter().filter(|(task, _)| winner(*task) != untuned(*task)).count();
    Ok(Verdict {
        name: network.name(),
        untuned: before.seconds(),
        tuned: after.seconds(),
        gap: Gap::of(&all, tasks, after),
        changed: (changed, all.len()),
        kept,
        lock,
    })
}

/// The network compiled.
pub fn compile(network: &Network, options: &Options) -> Result<cnnc_artifact::Variant, CliError> {
    let mut compiled = compile_graph(&network.graph, options).map_err(compile_failure)?;
    compiled.variants.pop().ok_or_else(|| CliError::Crash("nothing was compiled".into()))
}

/// The network with a chosen point of each task.
pub fn compile_with(
    network: &Network,
    spots: &[Spot],
    tasks: &[Task],
    point: &dyn Fn(usize) -> Option<usize>,
    setting: &Setting,
    options: &Options,
    target: &Target,
) -> Result<Running, CliError> {
    let lock = lock_of(spots, tasks, point, setting, options, target);
    let choices = lock.choices(target.threads, &options.bounds, false);
    Running::new(&network.name(), compile(network, &Options { choices, ..options.clone() })?)
}

/// The choices that a point of each task makes.
fn lock_of(
    spots: &[Spot],
    tasks: &[Task],
    point: &dyn Fn(usize) -> Option<usize>,
    setting: &Setting,
    options: &Options,
    target: &Target,
) -> Lock {
    let Setting { backend, revision, machine, .. } = setting.clone();
    let mut locked = Locked { backend, revision, machine, ..Locked::default() };
    for spot in spots {
        let Some(task) = tasks.iter().position(|task| spot.place.is_of(task)) else { continue };
        let Some(point) = point(task) else { continue };
        let search = &tasks[task].search;
        let Place { workload, input, output } = spot.place.clone();
        let choice = LockedChoice {
            candidate: search.points()[point].candidate.clone(),
            error: search.found(point).map_or(f64::INFINITY, |found| found.error),
            seconds: search.seconds(point),
        };
        locked.choices.insert(LockKey { workload, input, output }, choice);
    }
    Lock { sections: [(Section::new(target.isa, target.threads, &options.bounds), locked)].into() }
}

impl Verdict {
    /// As text.
    pub fn text(&self, lock: &Path) -> String {
        let Verdict { name, untuned, tuned, changed: (changed, all), gap, .. } = self;
        let (before, after) = (untuned * 1e3, tuned * 1e3);
        let kept = if self.kept { "" } else { "; no faster, so the lock holds the choice by estimate" };
        format!(
            "{name}: {before:.3} ms untuned, {after:.3} ms tuned ({:.3} times as fast){kept}\n  \
             {changed} of {all} layers have another candidate; wrote {}\n{}",
            untuned / tuned,
            lock.display(),
            gap.text()
        )
    }

    /// As a JSON event.
    pub fn json(&self, lock: &Path) -> serde_json::Value {
        let Verdict { name, untuned, tuned, gap, changed: (changed, all), kept, .. } = self;
        json!({
            "event": "network", "model": name, "untuned_ms": untuned * 1e3, "tuned_ms": tuned * 1e3,
            "changed": changed, "layers": all, "kept": kept, "lock": lock.display().to_string(), "gap": gap,
        })
    }
}
