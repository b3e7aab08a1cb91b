//! How far the analytic estimates are off, learned from trials: what is known of some layers carries over to others.
//!
//! One random forest for each algorithm (Breiman, "Random forests", 2001) maps a layer's extents and a candidate's
//! parameters to the logarithm of measured over estimated time. The same trials give the same model: its samples are
//! drawn from a fixed seed.

use crate::database::{Prior, Record};
use crate::paired::Paired;
use crate::{Outcome, Workload};
use cnnc_compiler::shapes::{Layer, parse_layers};
use cnnc_ir::graph::{Candidate, Op, parse_candidate};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use std::collections::{BTreeMap, HashMap};

/// Trees of a forest, their depth, and samples of a leaf.
const TREES: usize = 24;
const DEPTH: u16 = 12;
const LEAF: usize = 4;
/// An algorithm is learned from so many candidates at least, the latest so many at most.
const FEWEST: usize = 60;
const MOST: usize = 3000;
/// What is learned is trusted so far: a correction is between a quarter and four times the estimate.
const TRUST: f64 = 4.0;

type Forest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// A learned model.
#[derive(Debug, Default)]
pub struct Model {
    forests: HashMap<String, (Vec<String>, Forest)>,
}

/// A candidate that was timed: the layer, the candidate, and the logarithm of measured over estimated seconds.
struct Sample {
    layer: Vec<f64>,
    candidate: Candidate,
    off: f64,
}

impl Model {
    /// Learns from the trials of a setting, in the order of the log, and from what is known of other settings: where there
    /// is enough of the former, the latter is forgotten.
    pub fn learn(records: &[Record], priors: &[Prior]) -> Model {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for sample in samples_elsewhere(priors).into_iter().chain(samples_of(records)) {
            samples.entry(sample.candidate.algorithm.to_string()).or_default().push(sample);
        }
        let forests = samples.into_iter().filter_map(|(algorithm, samples)| {
            let samples = &samples[samples.len().saturating_sub(MOST)..];
            Some((algorithm, forest(samples)?))
        });
        Model { forests: forests.collect() }
    }

    /// How many algorithms it knows.
    pub fn algorithms(&self) -> usize {
        self.forests.len()
    }

    /// By what the estimates of some candidates of a layer are to be multiplied; 1 where nothing is known.
    pub fn corrections(&self, layer: &Layer, candidates: &[(&Candidate, f64)]) -> Vec<f64> {
        let own = extents(layer);
        let mut found = vec![1.0; candidates.len()];
        for (algorithm, (keys, forest)) in &self.forests {
            let of_it: Vec<usize> =
                (0..candidates.len()).filter(|&k| candidates[k].0.algorithm == *algorithm).collect();
            let rows: Vec<Vec<f64>> =
                of_it.iter().map(|&k| features(&own, candidates[k].0, candidates[k].1, keys)).collect();
            let off = DenseMatrix::from_2d_vec(&rows).and_then(|rows| forest.predict(&rows)).unwrap_or_default();
            for (&k, off) in of_it.iter().zip(off) {
                found[k] = off.exp().clamp(1.0 / TRUST, TRUST);
            }
        }
        found
    }
}

/// Samples of other settings, as they were measured there.
fn samples_elsewhere(priors: &[Prior]) -> Vec<Sample> {
    let mut layers = Layers::default();
    let sample = |prior: &Prior| {
        let off = (prior.seconds_there()? / prior.estimate()).ln();
        layers.sample(prior.workload(), prior.candidate(), prior.estimate(), off)
    };
    priors.iter().filter_map(sample).collect()
}

/// Extents of layers by their lines.
#[derive(Default)]
struct Layers(HashMap<String, Option<Vec<f64>>>);

impl Layers {
    fn sample(&mut self, workload: &Workload, candidate: &str, estimate: f64, off: f64) -> Option<Sample> {
        let extents = |line: &str| parse_layers(line).ok()?.first().map(extents);
        let layer = self.0.entry(workload.0.clone()).or_insert_with_key(|line| extents(line)).as_ref()?;
        let candidate = parse_candidate(candidate).ok()?;
        off.is_finite().then(|| Sample { layer: [&layer[..], &[estimate.ln()]].concat(), candidate, off })
    }
}

fn samples_of(records: &[Record]) -> Vec<Sample> {
    let mut places: HashMap<(&str, &str, &str), Paired> = HashMap::new();
    let mut layers = Layers::default();
    let mut samples = vec![];
    for Record { trial, .. } in records {
        let paired = places.entry((&trial.workload.0, &trial.input, &trial.output)).or_default();
        paired.note(trial);
        let timed = matches!(trial.outcome, Outcome::Timed | Outcome::StoppedEarly);
        let off = (paired.seconds(&trial.candidate) / trial.estimate).ln();
        if timed {
            samples.extend(layers.sample(&trial.workload, &trial.candidate, trial.estimate, off));
        }
    }
    samples
}

fn forest(samples: &[Sample]) -> Option<(Vec<String>, Forest)> {
    if samples.len() < FEWEST {
        return None;
    }
    let mut keys: Vec<String> = samples.iter().flat_map(|sample| sample.candidate.params.keys().cloned()).collect();
    keys.sort_unstable();
    keys.dedup();
    let row = |sample: &Sample| [&sample.layer[..], &parameters(&sample.candidate, &keys)].concat();
    let rows: Vec<Vec<f64>> = samples.iter().map(row).collect();
    let off: Vec<f64> = samples.iter().map(|sample| sample.off).collect();
    let how = RandomForestRegressorParameters::default()
        .with_n_trees(TREES)
        .with_max_depth(DEPTH)
        .with_min_samples_leaf(LEAF)
        .with_m(rows[0].len().div_ceil(2))
        .with_seed(1);
    let forest = Forest::fit(&DenseMatrix::from_2d_vec(&rows).ok()?, &off, how).ok()?;
    Some((keys, forest))
}

fn features(layer: &[f64], candidate: &Candidate, estimate: f64, keys: &[String]) -> Vec<f64> {
    [layer, &[estimate.ln()], &parameters(candidate, keys)].concat()
}

/// Parameters by their logarithms; -1 where there is none of that name.
fn parameters(candidate: &Candidate, keys: &[String]) -> Vec<f64> {
    keys.iter().map(|key| candidate.params.get(key).map_or(-1.0, |&value| log(value.max(0) as usize))).collect()
}

/// A layer by the logarithms of its extents: channels, results, positions, taps, stride, groups.
fn extents(layer: &Layer) -> Vec<f64> {
    let (x, w) = (&layer.operands[0].dims, &layer.operands[1].dims);
    let result = layer.result().map(|ty| ty.dims).unwrap_or_default();
    let positions: usize = match layer.op {
        Op::MatMul { .. } => result.iter().rev().skip(1).product(),
        _ => result.iter().skip(2).product(),
    };
    let (stride, groups) = match &layer.op {
        Op::Conv { window, groups, .. } | Op::ConvTranspose { window, groups, .. } => {
            (window.strides.iter().product(), *groups)
        }
        Op::Separable { window, .. } => (window.strides.iter().product(), 1),
        _ => (1, 1),
    };
    let taps = w.iter().skip(2).product();
    let (channels, results) = match layer.op {
        Op::MatMul { .. } => (x.last().copied().unwrap_or(1), result.last().copied().unwrap_or(1)),
        _ => (x.get(1).copied().unwrap_or(1), result.get(1).copied().unwrap_or(1)),
    };
    [channels, results, positions, taps, stride, groups].map(log).to_vec()
}

fn log(value: usize) -> f64 {
    (value as f64 + 1.0).log2()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::database::SessionInfo;
    use crate::{Samples, Setting, Trial};

    const SHAPES: [usize; 6] = [7, 14, 28, 56, 112, 224];

    /// What the candidate really takes against its estimate: far more where a parameter is small.
    fn off(candidate: &Candidate) -> f64 {
        if candidate.params["mr"] < 8 { 2.0 } else { 0.8 }
    }

    fn line(size: usize) -> String {
        format!("conv 1x64x{size}x{size} 64x64x1x1")
    }

    fn records() -> Vec<Record> {
        let session = SessionInfo { id: "a".into(), seed: 1, command: String::new(), started: 0.0, ended: None };
        let setting = Setting {
            isa: "x86-64-v4".into(),
            threads: 1,
            backend: String::new(),
            revision: String::new(),
            machine: String::new(),
        };
        let record = |size: usize, mr: i64| {
            let candidate = Candidate::new("pointwise", &[("mr", mr), ("nv", 2)]);
            let estimate = 1e-6 * (size * size) as f64;
            let trial = Trial {
                estimate,
                samples: Samples { cold: vec![estimate * off(&candidate)], ..Samples::default() },
                ..Trial::new(&Workload(line(size)), ("c16", "c16"), &candidate.to_string(), Outcome::Timed)
            };
            Record { session: session.clone(), index: 0, time: 0.0, setting: setting.clone(), trial }
        };
        SHAPES.iter().flat_map(|&size| (1..25).map(move |mr| (size, mr))).map(|(s, mr)| record(s, mr)).collect()
    }

    #[test]
    fn what_is_learned_carries_over_to_another_layer() {
        let model = Model::learn(&records(), &[]);
        assert_eq!(model.algorithms(), 1);
        let layer = parse_layers(&line(80)).unwrap().pop().unwrap();
        let candidates: Vec<Candidate> =
            [2, 5, 12, 20].map(|mr| Candidate::new("pointwise", &[("mr", mr), ("nv", 2)])).into();
        let asked: Vec<(&Candidate, f64)> = candidates.iter().map(|c| (c, 6.4e-3)).collect();
        for (candidate, correction) in candidates.iter().zip(model.corrections(&layer, &asked)) {
            assert!((correction / off(candidate)).ln().abs() < 0.2, "{candidate}: {correction}");
        }
        let foreign = Candidate::new("winograd", &[("m0", 4)]);
        assert_eq!(model.corrections(&layer, &[(&foreign, 1.0)]), [1.0]);
        assert_eq!(Model::learn(&records(), &[]).corrections(&layer, &asked), model.corrections(&layer, &asked));
        assert_eq!(Model::learn(&records()[..20], &[]).algorithms(), 0);
    }
}
