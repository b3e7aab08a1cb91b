//! How much of the budget the networks get at the end, and what of them tuning does not change.

use super::chosen;
use super::networks::Network;
use super::observer::Watch;
use super::running::{Running, in_turn, seconds};
use super::settle::places;
use cnnc_autotune::tuner::Task;
use cnnc_cli::CliError;
use cnnc_compiler::Options;
use std::time::{Duration, Instant};

/// Share of the budget that the end may take at most where there are candidates to compare.
const SHARE: f64 = 0.25;
/// Networks that candidates are compared in, at most.
const NETWORKS: usize = 6;
/// Share of the budget in which the compiled networks of one model run in turn, and how many seconds at most.
const RUNS: f64 = 0.05;
const LONGEST: f64 = 5.0;
/// How long a network runs to be known.
const SHORT: Duration = Duration::from_millis(300);

/// What is done at the end.
pub struct Finish {
    /// In how many compiled networks the candidates of a layer are compared; with fewer than 2, not at all.
    pub networks: usize,
    /// How long compiled networks run in turn, each time.
    pub runs: Duration,
    seconds: f64,
}

impl Finish {
    /// Compiles and runs each network as it is, and plans its end by how long that takes.
    pub fn plan(
        networks: &[Network],
        tasks: &[Task],
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Finish, CliError> {
        let (mut compiling, mut rest_ms) = (0.0, 0.0);
        let networks: Vec<&Network> = networks.iter().filter(|network| network.graph.is_some()).collect();
        for network in &networks {
            watch.phase(&format!("{}: as it is", network.name()));
            let begin = Instant::now();
            let variant = chosen::compile(network, options)?;
            compiling += begin.elapsed().as_secs_f64();
            let mut runs = [Running::new(&network.name(), variant)?];
            in_turn(&mut runs, SHORT)?;
            let places = places(network.spots(), tasks);
            let seconds = |names: &Vec<String>| seconds(&runs[0].mean_of(names)) * names.len() as f64;
            let tuned: f64 = places.iter().map(|(_, names)| seconds(names)).sum();
            rest_ms += (runs[0].seconds() - tuned) * 1e3;
        }
        let count = networks.len() as f64;
        let budget = watch.budget().as_secs_f64();
        let runs = (RUNS * budget / count.max(1.0)).min(LONGEST);
        let verdicts = 2.0 * compiling + count * runs;
        let comparisons = |k: usize| k as f64 * compiling + count * runs;
        let most = SHARE * budget - verdicts;
        let networks = (2..=NETWORKS).rev().find(|&k| comparisons(k) <= most).unwrap_or(0);
        let seconds = verdicts + if networks > 0 { comparisons(networks) } else { 0.0 };
        watch.expect(seconds, rest_ms);
        Ok(Finish { networks, runs: Duration::from_secs_f64(runs), seconds })
    }

    /// How long the end will take.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
