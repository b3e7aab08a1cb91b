//! Layers of networks as tasks of the tuner.

use super::chosen::MadeFor;
use super::networks::Network;
use crate::failure;
use cnnc_autotune::database::{Prior, Record};
use cnnc_autotune::layer::contents;
use cnnc_autotune::model::Model;
use cnnc_autotune::search::{Point, Search};
use cnnc_autotune::tuner::Task;
use cnnc_autotune::{Database, DatabaseError, Outcome, Setting, Workload};
use cnnc_cli::CliError;
use cnnc_compiler::shapes::{Layer, layer_of};
use cnnc_compiler::{Bounds, choose, ways};
use cnnc_ir::graph::{Candidate, Graph};
use cnnc_lower::{Breadth, Class};
use cnnc_tensor::{Layout, Target};
use std::collections::{BTreeMap, HashMap};

/// A layer has a share of the bound on the network's error: candidates that declare more are not tried.
const SHARE_OF_ERROR: f64 = 0.6;

/// A layer in the layouts that it is tuned in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its line in a list of shapes.
    pub workload: String,
    /// Layout of the first operand.
    pub input: Layout,
    /// Layout of the result.
    pub output: Layout,
}

impl Place {
    /// Whether a task is the layer in this place.
    pub fn is_of(&self, task: &Task) -> bool {
        self.workload == task.workload.0
            && self.input.to_string() == task.input
            && self.output.to_string() == task.output
    }
}

/// A layer of a network that can be tuned.
pub struct Spot {
    /// Its name in the network.
    pub name: String,
    /// Its place.
    pub place: Place,
    /// What it is.
    pub layer: Layer,
    /// How often it is there under this name.
    pub count: usize,
    /// The candidate that is chosen by estimate.
    pub untuned: Candidate,
}

/// Each layer of a graph that can be tuned.
pub fn spots(graph: &Graph, target: &Target, bounds: &Bounds) -> Result<Vec<Spot>, CliError> {
    let chosen = choose(graph, target, bounds).map_err(failure::compile)?;
    let by_name: BTreeMap<&str, _> = chosen.nodes().map(|(_, node)| (node.name.as_str(), node)).collect();
    let spot = |layer: Layer, name: &str| {
        let node = by_name.get(name)?;
        let (input, output) = (chosen.ty(node.inputs[0]).layout, chosen.ty(node.outputs[0]).layout);
        let (name, untuned) = (name.to_string(), node.candidate.clone()?);
        Some(Spot { name, place: Place { workload: layer.workload(), input, output }, layer, count: 1, untuned })
    };
    Ok(graph.nodes().filter_map(|(_, node)| spot(layer_of(graph, node)?, &node.name)).collect())
}

/// What the trials of a setting and those of other settings, of sessions before a time, teach about estimates.
pub fn model(records: &[Record], database: &Database, setting: &Setting, before: f64) -> Result<Model, DatabaseError> {
    let mut priors = vec![];
    for workload in database.workloads()? {
        priors.extend(database.priors(setting, &workload)?);
    }
    // Another instruction set or number of threads has other candidates, or the same to another end.
    let alike = |prior: &Prior| (&prior.setting().isa, prior.setting().threads) == (&setting.isa, setting.threads);
    priors.retain(|prior| alike(prior) && prior.started() < before);
    Ok(Model::learn(records, &priors))
}

/// The trials of a setting of sessions that began before a time.
pub fn records(database: &Database, setting: &Setting, before: f64) -> Result<Vec<Record>, DatabaseError> {
    let mut records = database.records(setting)?;
    records.retain(|record| record.session.started < before);
    Ok(records)
}

/// The tasks of some networks, and how many layers there are of which another network has the like. Without a seed, every
/// candidate is to be tried.
pub fn of(
    networks: &[Network],
    made_for: MadeFor,
    model: &Model,
    seed: Option<u64>,
) -> Result<(Vec<Task>, usize), CliError> {
    let (target, bounds) = (made_for.target, &made_for.options.bounds);
    let mut found: BTreeMap<Place, (Layer, String, usize)> = BTreeMap::new();
    let mut shared = 0;
    for network in networks {
        let mut own: BTreeMap<Place, (Layer, String, usize)> = BTreeMap::new();
        for Spot { place, layer, untuned, count, .. } in network.spots() {
            own.entry(place.clone()).or_insert((layer.clone(), untuned.to_string(), 0)).2 += count;
        }
        for (place, (layer, candidate, count)) in own {
            shared += usize::from(found.contains_key(&place));
            found.entry(place).or_insert((layer, candidate, 0)).2 += count;
        }
    }
    let tasks = found.into_iter().map(|(place, (layer, untuned, count))| {
        let mut points = space(&layer, &place, target, bounds)?;
        let asked: Vec<(&Candidate, f64)> = points.iter().map(|point| (&point.candidate, point.estimate)).collect();
        let corrections = model.corrections(&layer, &asked);
        points.iter_mut().zip(corrections).for_each(|(point, by)| point.expected *= by);
        points.sort_by(|a, b| a.expected.total_cmp(&b.expected));
        Ok(Task {
            workload: Workload(place.workload),
            input: place.input.to_string(),
            output: place.output.to_string(),
            count,
            untuned,
            search: match seed {
                Some(seed) => Search::new(seed, points),
                None => Search::exhaustive(points),
            },
            codes: HashMap::new(),
            bytes: layer.operands.iter().map(|operand| operand.ty().bytes()).sum(),
        })
    });
    let tasks: Vec<Task> = tasks.collect::<Result<_, CliError>>()?;
    // Where there is no choice there is nothing to tune.
    Ok((tasks.into_iter().filter(|task| task.search.points().len() > 1).collect(), shared))
}

/// The candidates of a layer in its place, the fastest by estimate first.
fn space(layer: &Layer, place: &Place, target: &Target, bounds: &Bounds) -> Result<Vec<Point>, CliError> {
    let contents = contents::of(layer).map_err(failure::tune)?;
    let graph = layer.graph(&contents).map_err(|e| CliError::Usage(e.to_string()))?;
    let mut ways = ways(&graph, target, Breadth::Space).map_err(failure::compile)?;
    ways.retain(|way| (way.input, way.output) == (place.input, place.output) && way.seconds.is_finite());
    ways.retain(|way| way.error <= SHARE_OF_ERROR * bounds.max_error);
    if ways.iter().any(|way| way.algorithm.class == Class::Tuned) {
        ways.retain(|way| way.algorithm.class == Class::Tuned);
    }
    let mut points: Vec<Point> = vec![];
    let mut seen = std::collections::HashSet::new();
    for way in ways {
        if seen.insert(way.candidate.to_string()) {
            points.push(Point { candidate: way.candidate, estimate: way.seconds, expected: way.seconds });
        }
    }
    Ok(points)
}

/// Tells searches what is known of their layers from before; how many trials that are.
pub fn recall(tasks: &mut [Task], records: &[Record]) -> usize {
    let mut count = 0;
    for task in tasks {
        let place = (&task.workload, &task.input, &task.output);
        let own = records.iter().map(|record| &record.trial);
        for trial in own.filter(|trial| (&trial.workload, &trial.input, &trial.output) == place) {
            task.search.note(trial);
            if trial.outcome == Outcome::Timed {
                task.codes.insert(trial.code.clone(), trial.clone());
            }
            count += 1;
        }
        task.search.resume();
    }
    count
}
