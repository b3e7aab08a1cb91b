//! A layer in its layouts with what was measured of its candidates.

use super::{MOST_LOST, NEAR};
use crate::database::Record;
use crate::paired::Paired;
use crate::statistics::{Ratio, median};
use crate::{Outcome, Samples, Setting, Trial, TuneError};
use cnnc_compiler::Way;
use cnnc_compiler::shapes::parse_layers;
use cnnc_ir::graph::{Candidate, Graph, parse_candidate};
use cnnc_tensor::{Layout, Target, Tensor};
use std::collections::BTreeMap;

/// A layer of which fewer candidates were timed says little about a choice.
const FEWEST: usize = 8;

/// What takes so many times what it should was disturbed.
const DISTURBED: f64 = 2.5;

/// A layer in its layouts.
pub struct Place {
    /// Number of its operator and operands, whatever its tail.
    pub shape: usize,
    /// Threads that it was measured on.
    pub threads: usize,
    graph: Graph,
    input: Layout,
    output: Layout,
    /// Logarithm of the seconds of the best.
    best: f64,
    /// Candidates that were timed with the logarithm of their time over the best.
    timed: Vec<(Candidate, f64)>,
}

/// What comes of choosing by estimate.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Logarithm of its time over that of the best.
    pub loss: f64,
    /// Logarithm of its time over what was estimated.
    pub off: f64,
}

/// Times of the candidates of a place, and which of them were timed to the end.
type Tried<'a> = (Paired, BTreeMap<&'a str, bool>);

/// The places of trials, of which enough candidates were timed.
pub fn places(records: &[Record]) -> Result<Vec<Place>, TuneError> {
    // Times of one revision of the code are no times of another's.
    let mut found: BTreeMap<(&str, &str, &str, &Setting), Tried> = BTreeMap::new();
    for Record { trial, setting, .. } in records {
        let place = (trial.workload.0.as_str(), trial.input.as_str(), trial.output.as_str(), setting);
        let (paired, candidates) = found.entry(place).or_default();
        if is_disturbed(trial, paired) {
            continue;
        }
        paired.note(trial);
        *candidates.entry(&trial.candidate).or_default() |= trial.outcome == Outcome::Timed;
    }
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    let mut places = vec![];
    for ((line, input, output, setting), (paired, candidates)) in found {
        let times = candidates.iter().map(|(text, complete)| (text, paired.seconds(text), *complete));
        let times: Vec<(&&str, f64, bool)> = times.filter(|(_, seconds, _)| seconds.is_finite()).collect();
        let mut complete: Vec<f64> = times.iter().filter(|time| time.2).map(|time| time.1).collect();
        complete.sort_by(f64::total_cmp);
        let (Some(layouts), true) = (Layout::parse(input).zip(Layout::parse(output)), complete.len() >= FEWEST) else {
            continue;
        };
        let Some(graph) = graph_of(line)? else { continue };
        // The best owes something to luck.
        let best = complete[1];
        let lost = |(text, seconds, _): &(&&str, f64, bool)| {
            Some((parse_candidate(text).ok()?, (seconds / best).ln().clamp(0.0, MOST_LOST)))
        };
        let shape: String = line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let next = shapes.len();
        places.push(Place {
            shape: *shapes.entry(shape).or_insert(next),
            threads: setting.threads,
            graph,
            input: layouts.0,
            output: layouts.1,
            best: best.ln(),
            timed: times.iter().filter_map(lost).collect(),
        });
    }
    Ok(places)
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

    fn estimates(&self, target: &Target) -> Vec<f64> {
        let way = |candidate: &Candidate| Way::of(&self.graph, candidate.clone(), self.input, self.output, target);
        self.timed.iter().map(|(candidate, _)| way(candidate).map_or(f64::INFINITY, |way| way.seconds)).collect()
    }

    /// What comes of choosing by estimate, the candidates weighted by how near to the least their estimates are.
    pub fn expected(&self, target: &Target) -> Expected {
        let estimates = self.estimates(target);
        let least = estimates.iter().copied().fold(f64::INFINITY, f64::min);
        let (mut weights, mut sum) = (0.0, 0.0);
        for (estimate, (_, lost)) in estimates.iter().zip(&self.timed) {
            let weight = (-(estimate / least).ln() / NEAR).exp();
            if weight.is_finite() {
                weights += weight;
                sum += weight * lost;
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
        choice.map_or(1.0, |k| self.timed[k].1.exp())
    }
}
