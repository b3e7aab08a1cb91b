//! Which candidate a network takes for each layer: the winner, or the fastest within a bound of memory.

use super::networks::Network;
use super::settle::places;
use cnnc_autotune::memory::{self, Choice, Layer};
use cnnc_autotune::tuner::Task;
use cnnc_cli::CliError;
use cnnc_cli::table::bytes;

/// The points that a network takes, by task; `None` for tasks of other networks and those that were never timed.
pub type Picks = Vec<Option<usize>>;

/// The picks within a bound of memory, if there is one.
pub fn picks(network: &Network, tasks: &[Task], bound: Option<u64>) -> Result<Picks, CliError> {
    let Some(bound) = bound else { return Ok(tasks.iter().map(|task| task.search.best()).collect()) };
    let (own, layers) = layers(network, tasks);
    let choice = memory::pick(&layers, bound).map_err(|least| {
        let (name, bound) = (network.name(), bytes(bound));
        let what = match least {
            0 => "some of its layers were never timed: tune it first".to_string(),
            least => format!("what was timed takes {} at least", bytes(least)),
        };
        CliError::Usage(format!("--max-memory: {name} cannot be kept within {bound}: {what}"))
    })?;
    let mut picks = vec![None; tasks.len()];
    own.into_iter().zip(choice.points).for_each(|(task, point)| picks[task] = Some(point));
    Ok(picks)
}

/// Latency against memory of a network's layers.
pub fn front(network: &Network, tasks: &[Task]) -> Vec<Choice> {
    memory::front(&layers(network, tasks).1)
}

/// The tasks of a network, and its layers.
fn layers<'a>(network: &Network, tasks: &'a [Task]) -> (Vec<usize>, Vec<Layer<'a>>) {
    let layer = |(task, names): (usize, Vec<String>)| (task, (&tasks[task].search, names.len()));
    places(network.spots(), tasks).into_iter().map(layer).unzip()
}
