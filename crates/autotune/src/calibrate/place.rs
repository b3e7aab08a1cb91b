//! A layer with what was measured of its candidates.

use super::{MOST_LOST, NEAR, Targets};
use crate::database::Record;
use crate::paired::Paired;
use crate::statistics::{Ratio, median};
use crate::{Outcome, Samples, Setting, Trial, TuneError};
use cnnc_compiler::Way;
use cnnc_compiler::shapes::parse_layers;
use cnnc_ir::graph::{Candidate, Graph, Op, TensorType, parse_candidate};
use cnnc_lower::cost;
use cnnc_tensor::{Layout, Target, Tensor};
use std::collections::BTreeMap;

/// A layer of which fewer candidates were timed says little about a choice.
const FEWEST: usize = 8;

/// What takes so many times what it should was disturbed.
const DISTURBED: f64 = 2.5;

/// A layer, in all layouts that it was measured in.
pub struct Place {
    /// Number of its operator and operands, whatever its tail.
    pub shape: usize,
    /// Threads that it was measured on.
    pub threads: usize,
    /// What it counts for beside others: the root of the seconds of the best. Networks are made of the long ones, but of
    /// the short ones there are more.
    pub weight: f64,
    graph: Graph,
    /// Logarithm of the seconds of the best.
    best: f64,
    timed: Vec<Timed>,
}

/// A candidate that was timed.
struct Timed {
    candidate: Candidate,
    input: Layout,
    output: Layout,
    /// Seconds of the conversions around it.
    around: f64,
    /// Logarithm of its time and theirs over the best.
    lost: f64,
}

/// What comes of choosing by estimate.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Logarithm of its time over that of the best.
    pub loss: f64,
    /// Logarithm of its time over what was estimated.
    pub off: f64,
}

/// Times of the candidates of a layer in some layouts, and which of them were timed to the end.
type Tried<'a> = (Paired, BTreeMap<&'a str, bool>);

/// Those of a layer by layouts of its input and result.
type Layouts<'a> = BTreeMap<(&'a str, &'a str), Tried<'a>>;

/// The layers of trials made for targets, of which enough candidates were timed.
pub fn places(records: &[Record], targets: &Targets) -> Result<Vec<Place>, TuneError> {
    // Times of one revision of the code are no times of another's.
    let mut found: BTreeMap<(&str, &Setting), Layouts> = BTreeMap::new();
    for Record { trial, setting, .. } in records {
        let layouts = found.entry((trial.workload.0.as_str(), setting)).or_default();
        let (paired, candidates) = layouts.entry((trial.input.as_str(), trial.output.as_str())).or_default();
        if is_disturbed(trial, paired) {
            continue;
        }
        paired.note(trial);
        *candidates.entry(&trial.candidate).or_default() |= trial.outcome == Outcome::Timed;
    }
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    let mut places = vec![];
    for ((line, setting), layouts) in found {
        let Some(target) = targets.get(&setting.threads) else { continue };
        let Some(graph) = graph_of(line)? else { continue };
        let mut times: Vec<(Timed, f64, bool)> = vec![];
        for ((input, output), (paired, candidates)) in layouts {
            let (Some(input), Some(output)) = (Layout::parse(input), Layout::parse(output)) else { continue };
            let around = conversions(&graph, input, output, target);
            for (text, complete) in candidates {
                let seconds = paired.seconds(text) + around;
                let Some(candidate) = parse_candidate(text).ok().filter(|_| seconds.is_finite()) else { continue };
                times.push((Timed { candidate, input, output, around, lost: 0.0 }, seconds, complete));
            }
        }
        let mut complete: Vec<f64> = times.iter().filter(|time| time.2).map(|time| time.1).collect();
        complete.sort_by(f64::total_cmp);
        if complete.len() < FEWEST {
            continue;
        }
        // The best owes something to luck.
        let best = complete[1];
        let lost = |seconds: f64| (seconds / best).ln().clamp(0.0, MOST_LOST);
        let shape: String = line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let next = shapes.len();
        places.push(Place {
            shape: *shapes.entry(shape).or_insert(next),
            threads: setting.threads,
            weight: best.sqrt(),
            graph,
            best: best.ln(),
            timed: times.into_iter().map(|(timed, seconds, _)| Timed { lost: lost(seconds), ..timed }).collect(),
        });
    }
    Ok(places)
}

/// Estimated seconds of the conversions around a layer whose neighbours are in the usual layouts: convolutions have blocked
/// ones, but for inputs of few channels, which are images.
fn conversions(graph: &Graph, input: Layout, output: Layout, target: &Target) -> f64 {
    let blocked = |channels: usize| if channels < target.lanes { Layout::Plain } else { Layout::Blocked(target.lanes) };
    let Some((_, node)) = graph.nodes().next() else { return 0.0 };
    let (x, y) = (graph.ty(node.inputs[0]), graph.ty(node.outputs[0]));
    let usual = match node.op {
        Op::Separable { .. } => (Layout::Blocked(target.lanes), Layout::Blocked(target.lanes)),
        Op::Conv { .. } | Op::ConvTranspose { .. } => (blocked(x.dims[1]), Layout::Blocked(target.lanes)),
        _ => (Layout::Plain, Layout::Plain),
    };
    let convert = |ty: &TensorType, differs: bool| if differs { cost::conversion(ty, target) } else { 0.0 };
    convert(x, input != usual.0) + convert(y, output != usual.1)
}

/// Whether something else than the candidates had a part in their times: what they were measured in turn with was far from
/// what it is known to take, or two turns made a candidate many times as slow.
fn is_disturbed(trial: &Trial, known: &Paired) -> bool {
    let Samples { cold, incumbent, .. } = &trial.samples;
    let (Some(other), Some(ratio)) = (median(incumbent), Ratio::of(cold, incumbent)) else { return false };
    let off = other / known.seconds(&trial.against);
    off.is_finite() && !(1.0 / DISTURBED..DISTURBED).contains(&off)
        || trial.outcome == Outcome::StoppedEarly && ratio.median > MOST_LOST.exp()
}

/// The graph of a line of a list of layers; `None` where this build cannot read it. Its constants are zeros.
pub fn graph_of(line: &str) -> Result<Option<Graph>, TuneError> {
    let Some(layer) = parse_layers(line).ok().and_then(|mut layers| layers.pop()) else { return Ok(None) };
    let zeros = layer.operands.iter().map(|operand| {
        let ty = operand.ty();
        Tensor::zeros(ty.dtype, &ty.dims, Layout::Plain).map_err(|e| TuneError::Layer(e.to_string()))
    });
    let zeros = zeros.collect::<Result<Vec<Tensor>, _>>()?;
    Ok(layer.graph(&zeros).ok())
}

impl Place {
    /// How many candidates were timed.
    pub fn candidates(&self) -> usize {
        self.timed.len()
    }

    /// Estimates, those of conversions around included.
    fn estimates(&self, target: &Target) -> Vec<f64> {
        let seconds = |timed: &Timed| {
            let way = Way::of(&self.graph, timed.candidate.clone(), timed.input, timed.output, target);
            way.map_or(f64::INFINITY, |way| way.seconds + timed.around)
        };
        self.timed.iter().map(seconds).collect()
    }

    /// What comes of choosing by estimate, the candidates weighted by how near to the least their estimates are.
    pub fn expected(&self, target: &Target) -> Expected {
        let estimates = self.estimates(target);
        let least = estimates.iter().copied().fold(f64::INFINITY, f64::min);
        let (mut weights, mut sum) = (0.0, 0.0);
        for (estimate, timed) in estimates.iter().zip(&self.timed) {
            let weight = (-(estimate / least).ln() / NEAR).exp();
            if weight.is_finite() {
                weights += weight;
                sum += weight * timed.lost;
            }
        }
        let loss = if weights > 0.0 { sum / weights } else { 0.0 };
        let off = self.best + loss - least.ln();
        Expected { loss, off: if off.is_finite() { off } else { 0.0 } }
    }

    /// Time of the candidate of least estimate over the best.
    pub fn choice(&self, target: &Target) -> f64 {
        let estimates = self.estimates(target);
        let choice = (0..estimates.len()).min_by(|&a, &b| estimates[a].total_cmp(&estimates[b]));
        choice.map_or(1.0, |k| self.timed[k].lost.exp())
    }
}
