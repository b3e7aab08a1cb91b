//! The finish in the network: the best few candidates of each layer, timed where they are to run.
//!
//! A layer alone does not see what it does to its neighbours' caches, nor they to its. So the network is compiled several
//! times: with the winners, with the next best of every layer, and so on; all run in turn, and each layer's candidates
//! are compared by its own time within them. Every comparison is kept as a trial.

use super::chosen::MadeFor;
use super::finish::Finish;
use super::networks::Network;
use super::observer::Watch;
use super::running::{Running, in_turn};
use super::tasks::Spot;
use super::verdict::untuned;
use cnnc_autotune::statistics::Ratio;
use cnnc_autotune::tuner::{Observer, Task};
use cnnc_autotune::{Outcome, Samples, Trial};
use cnnc_cli::CliError;

/// Candidates that take no longer than so many times the winner's time alone are compared with it.
const NEAR: f64 = 1.08;

/// Settles the candidates of a network's layers, as planned.
pub fn settle(
    network: &Network,
    tasks: &mut [Task],
    made_for: MadeFor,
    finish: &Finish,
    watch: &mut Watch,
) -> Result<(), CliError> {
    let places: Vec<(usize, Vec<String>)> = places(network.spots(), tasks);
    let ranked: Vec<(usize, Vec<usize>)> = places.iter().map(|(task, _)| (*task, ranked(&tasks[*task]))).collect();
    let count = ranked.iter().map(|(_, points)| points.len()).max().unwrap_or(0).min(finish.networks);
    if count < 2 {
        return Ok(());
    }
    let mut runs = vec![];
    for k in 0..count {
        let point = |task: usize| {
            let (_, points) = ranked.iter().find(|(t, _)| *t == task)?;
            points.get(k).or(points.first()).copied()
        };
        runs.push(made_for.run(network, network.spots(), tasks, &point)?);
    }
    in_turn(&mut runs, finish.runs)?;
    for ((task, names), (_, points)) in places.iter().zip(&ranked) {
        compare(&mut tasks[*task], names, &points[..points.len().min(count)], &runs, watch);
    }
    Ok(())
}

/// The tasks of a network with the names of their layers.
pub fn places(spots: &[Spot], tasks: &[Task]) -> Vec<(usize, Vec<String>)> {
    let mut found: Vec<(usize, Vec<String>)> = vec![];
    for spot in spots {
        let Some(task) = tasks.iter().position(|task| spot.place.is_of(task)) else { continue };
        match found.iter_mut().find(|(other, _)| *other == task) {
            Some((_, names)) => names.push(spot.name.clone()),
            None => found.push((task, vec![spot.name.clone()])),
        }
    }
    found
}

/// The winner of a task, the choice by estimate, and those that are near to the winner.
fn ranked(task: &Task) -> Vec<usize> {
    let search = &task.search;
    let Some(best) = search.best() else { return vec![] };
    let mut points = vec![best];
    points.extend(untuned(task).filter(|&point| search.seconds(point) != search.seconds(best)));
    for point in search.finalists(16) {
        // Candidates of one machine code have the same times.
        let known = points.iter().any(|&other| search.seconds(other) == search.seconds(point));
        if !known && search.seconds(point) <= NEAR * search.seconds(best) {
            points.push(point);
        }
    }
    points
}

/// Compares a layer's candidates, the slowest first: the last to win stays.
fn compare(task: &mut Task, names: &[String], points: &[usize], runs: &[Running], watch: &mut Watch) {
    let times: Vec<Vec<f64>> = runs.iter().map(|run| run.mean_of(names)).collect();
    let mut order: Vec<usize> = (1..points.len()).filter(|&k| !times[k].is_empty()).collect();
    let ratio = |k: usize| Ratio::of(&times[k], &times[0]).map_or(f64::INFINITY, |ratio| ratio.median);
    order.sort_by(|&a, &b| ratio(b).total_cmp(&ratio(a)));
    let mut winner = 0;
    for k in order {
        let samples = Samples { network: times[k].clone(), incumbent: times[winner].clone(), ..Samples::default() };
        let trial = trial(task, points[k], points[winner], samples);
        task.search.note(&trial);
        watch.trial(&trial);
        if task.search.best() == Some(points[k]) {
            winner = k;
        }
    }
}

fn trial(task: &Task, point: usize, against: usize, samples: Samples) -> Trial {
    let Task { workload, input, output, search, .. } = task;
    let (points, found) = (search.points(), search.found(point));
    let name = |point: usize| points[point].candidate.to_string();
    Trial {
        estimate: points[point].estimate,
        error: found.map(|found| found.error).filter(|error| error.is_finite()),
        workspace: found.map_or(0, |found| found.workspace),
        packed: found.map_or(0, |found| found.packed),
        against: name(against),
        samples,
        ..Trial::new(workload, (input, output), &name(point), Outcome::Compared)
    }
}
