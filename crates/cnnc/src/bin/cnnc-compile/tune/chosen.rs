//! The choices that a point of each task makes: as a lock, and as a network that runs.

use super::networks::Network;
use super::running::Running;
use super::tasks::{Place, Spot};
use crate::failure;
use cnnc_artifact::Variant;
use cnnc_autotune::Setting;
use cnnc_autotune::lock::{Lock, LockKey, Locked, LockedChoice, Measured, Section};
use cnnc_autotune::tuner::Task;
use cnnc_cli::CliError;
use cnnc_compiler::{Options, compile_graph};
use cnnc_tensor::Target;

/// What is tuned for.
#[derive(Clone, Copy)]
pub struct MadeFor<'a> {
    /// As it is recorded.
    pub setting: &'a Setting,
    /// How networks are compiled.
    pub options: &'a Options,
    /// The only target of the options.
    pub target: &'a Target,
}

/// The point of a task that is chosen, if any.
pub type Pick<'a> = &'a dyn Fn(usize) -> Option<usize>;

/// A network compiled as it is.
pub fn compile(network: &Network, options: &Options) -> Result<Variant, CliError> {
    let graph = network.graph.as_ref().ok_or_else(|| CliError::Crash("a list of layers is no network".into()))?;
    let mut compiled = compile_graph(graph, options).map_err(failure::compile)?;
    compiled.variants.pop().ok_or_else(|| CliError::Crash("nothing was compiled".into()))
}

impl MadeFor<'_> {
    /// A network with chosen points for its layers where they are, ready to run.
    pub fn run(&self, network: &Network, spots: &[Spot], tasks: &[Task], pick: Pick) -> Result<Running, CliError> {
        Running::new(&network.name(), self.compile(network, spots, tasks, pick)?)
    }

    /// A network compiled with chosen points for its layers where they are.
    pub fn compile(&self, network: &Network, spots: &[Spot], tasks: &[Task], pick: Pick) -> Result<Variant, CliError> {
        let choices = self.lock(spots, tasks, pick).choices(self.target.threads, &self.options.bounds, false);
        compile(network, &Options { choices, ..self.options.clone() })
    }

    /// The lock of chosen points; layers without one have the choice by estimate.
    pub fn lock(&self, spots: &[Spot], tasks: &[Task], pick: Pick) -> Lock {
        let Setting { backend, revision, machine, .. } = self.setting.clone();
        let mut locked = Locked { backend, revision, machine, ..Locked::default() };
        for spot in spots {
            let task = tasks.iter().position(|task| spot.place.is_of(task));
            let point = task.and_then(|task| Some((&tasks[task].search, pick(task)?)));
            let Place { workload, input, output } = spot.place.clone();
            let choice = match point {
                Some((search, point)) => LockedChoice {
                    candidate: search.points()[point].candidate.clone(),
                    measured: search.found(point).map(|found| Measured { error: found.error, seconds: found.seconds }),
                },
                None => LockedChoice { candidate: spot.untuned.clone(), measured: None },
            };
            locked.choices.insert(LockKey { workload, input, output }, choice);
        }
        let section = Section::new(self.target.isa, self.target.threads, &self.options.bounds);
        Lock { sections: [(section, locked)].into() }
    }
}
