//! What tuning has brought a network: compiled with the winners and without, run in turn.

use super::compile_failure;
use super::networks::Network;
use super::tasks::{Place, places};
use cnnc_autotune::Setting;
use cnnc_autotune::lock::{Lock, LockKey, Locked, LockedChoice, Section};
use cnnc_autotune::search::median;
use cnnc_autotune::tuner::Task;
use cnnc_cli::{CliError, feeds};
use cnnc_compiler::{Options, compile_graph};
use cnnc_ir::graph::parse_candidate;
use cnnc_runtime::{Model, Session};
use cnnc_tensor::{Target, Tensor};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Turns at least and at most, and how long they may take.
const TURNS: (usize, usize) = (5, 200);
const LONGEST: Duration = Duration::from_secs(4);
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
    /// Seconds of its tuned layers alone, weights in memory, summed.
    pub alone: f64,
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
    tasks: &[Task],
    setting: &Setting,
    options: &Options,
    target: &Target,
) -> Result<Verdict, CliError> {
    let (mut winners, mut before) = (BTreeMap::new(), BTreeMap::new());
    let mut alone = 0.0;
    for (place, _, untuned) in places(&network.graph, target, &options.bounds)? {
        let Some(task) = tasks.iter().find(|task| place.is_of(task)) else { continue };
        let Some(best) = task.search.best() else { continue };
        let Place { workload, input, output } = place;
        let key = LockKey { workload, input, output };
        let choice = |point: usize| {
            let error = task.search.found(point).map_or(f64::INFINITY, |found| found.error);
            let candidate = task.search.points()[point].candidate.clone();
            LockedChoice { candidate, error, seconds: task.search.seconds(point) }
        };
        alone += task.search.seconds(best);
        winners.insert(key.clone(), choice(best));
        let first = parse_candidate(&untuned).ok().and_then(|c| task.search.point_of(&c));
        before.insert(key, choice(first.unwrap_or(best)));
    }
    let changed = winners.iter().filter(|(key, choice)| before[*key].candidate != choice.candidate).count();
    let section = Section::new(target.isa, target.threads, &options.bounds);
    let lock = |choices: BTreeMap<LockKey, LockedChoice>| {
        let Setting { backend, revision, machine, .. } = setting.clone();
        Lock { sections: [(section.clone(), Locked { backend, revision, machine, choices })].into() }
    };
    let changed = (changed, winners.len());
    let (winners, before) = (lock(winners), lock(before));
    let mut tuned_options = options.clone();
    tuned_options.choices = winners.choices(target.threads, &options.bounds, false);
    let mut runs = [options, &tuned_options].map(|options| Run::new(network, options)).into_iter();
    let (Some(first), Some(second)) = (runs.next(), runs.next()) else { unreachable!("two options make two runs") };
    let [untuned, tuned] = in_turn([first?, second?])?;
    let kept = tuned <= NOISE * untuned;
    let lock = if kept { winners } else { before };
    Ok(Verdict { name: network.name(), untuned, tuned, alone, changed, kept, lock })
}

impl Verdict {
    /// As text.
    pub fn text(&self, lock: &Path) -> String {
        let Verdict { name, untuned, tuned, alone, changed: (changed, all), .. } = self;
        let (before, after, sum) = (untuned * 1e3, tuned * 1e3, alone * 1e3);
        let kept = if self.kept { "" } else { "; no faster, so the lock holds the choice by estimate" };
        format!(
            "{name}: {before:.3} ms untuned, {after:.3} ms tuned ({:.3} times as fast){kept}\n  \
             {changed} of {all} layers have another candidate; alone the layers take {sum:.3} ms, the network {:.3} times \
             that; wrote {}\n",
            untuned / tuned,
            tuned / alone,
            lock.display()
        )
    }

    /// As a JSON event.
    pub fn json(&self, lock: &Path) -> serde_json::Value {
        let Verdict { name, untuned, tuned, alone, changed: (changed, all), kept, .. } = self;
        json!({
            "event": "network", "model": name, "untuned_ms": untuned * 1e3, "tuned_ms": tuned * 1e3,
            "layers_alone_ms": alone * 1e3, "changed": changed, "layers": all, "kept": kept,
            "lock": lock.display().to_string(),
        })
    }
}

/// A compiled network, ready to run.
struct Run {
    session: Session,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    times: Vec<f64>,
}

impl Run {
    fn new(network: &Network, options: &Options) -> Result<Run, CliError> {
        let mut compiled = compile_graph(&network.graph, options).map_err(compile_failure)?;
        let variant = compiled.variants.pop().ok_or_else(|| CliError::Crash("nothing was compiled".into()))?;
        let model = Arc::new(Model::from_variant(&network.name(), variant)?);
        let inputs = model.inputs().iter().map(feeds::seeded).collect::<Result<Vec<_>, _>>()?;
        let mut session = Session::new(&model, model.plan().threads as usize)?;
        let outputs = session.run_tensors(&inputs)?;
        Ok(Run { session, inputs, outputs, times: vec![] })
    }

    fn once(&mut self) -> Result<(), CliError> {
        let begin = Instant::now();
        self.outputs = self.session.run_tensors(&self.inputs)?;
        self.times.push(begin.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Medians of runs that take turns.
fn in_turn<const N: usize>(mut runs: [Run; N]) -> Result<[f64; N], CliError> {
    let start = Instant::now();
    for turn in 0..TURNS.1 {
        if turn >= TURNS.0 && start.elapsed() > LONGEST {
            break;
        }
        runs.iter_mut().try_for_each(Run::once)?;
    }
    Ok(runs.each_ref().map(|run| median(&run.times)))
}
