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
    /// Seconds of each network's end.
    ends: Vec<f64>,
}

impl Finish {
    /// Compiles and runs each network as it is, and plans its end by how long that takes.
    pub fn plan(
        networks: &[Network],
        tasks: &[Task],
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Finish, CliError> {
        let mut rest_ms = 0.0;
        // Seconds until each is compiled and loaded; a list of layers is no network.
        let mut compiling: Vec<Option<f64>> = vec![];
        for network in networks {
            if network.graph.is_none() {
                compiling.push(None);
                continue;
            }
            watch.phase(&format!("{}: as it is", network.name()));
            let begin = Instant::now();
            let variant = chosen::compile(network, options)?;
            let mut runs = [Running::new(&network.name(), variant)?];
            compiling.push(Some(begin.elapsed().as_secs_f64()));
            in_turn(&mut runs, SHORT)?;
            let places = places(network.spots(), tasks);
            let seconds = |names: &Vec<String>| seconds(&runs[0].mean_of(names)) * names.len() as f64;
            let tuned: f64 = places.iter().map(|(_, names)| seconds(names)).sum();
            rest_ms += (runs[0].seconds() - tuned) * 1e3;
        }
        let (count, all) = (compiling.iter().flatten().count() as f64, compiling.iter().flatten().sum::<f64>());
        let budget = watch.budget().as_secs_f64();
        let runs = (RUNS * budget / count.max(1.0)).min(LONGEST);
        let most = SHARE * budget - (2.0 * all + count * runs);
        let networks = (2..=NETWORKS).rev().find(|&k| k as f64 * all + count * runs <= most).unwrap_or(0);
        // The verdict compiles two and runs them in turn; before it, those that candidates are compared in.
        let (compiled, turns) = if networks > 0 { (2 + networks, 2.0) } else { (2, 1.0) };
        let end = |each: Option<f64>| each.map_or(0.0, |each| compiled as f64 * each + turns * runs);
        let finish =
            Finish { networks, runs: Duration::from_secs_f64(runs), ends: compiling.into_iter().map(end).collect() };
        watch.expect(finish.seconds_from(0), rest_ms);
        Ok(finish)
    }

    /// How long the end will take.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds_from(0))
    }

    /// Seconds of the ends of all networks from the k-th on.
    pub fn seconds_from(&self, k: usize) -> f64 {
        self.ends.iter().skip(k).sum()
    }
}
