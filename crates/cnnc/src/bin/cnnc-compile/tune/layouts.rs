//! Layouts, settled in the running network before its layers are tuned in them.
//!
//! No trial of a layer sees what its layouts cost or spare the others, so plans of layouts cannot be told apart by trials.
//! A network is therefore compiled as planned by estimate, and as planned where conversions count for more or for less; all
//! run in turn, and it is tuned in the layouts of the fastest. Each comparison is kept as a trial of the network, which
//! later sessions of a setting go by, and a replay.

use super::chosen::MadeFor;
use super::networks::Network;
use super::observer::Watch;
use super::running::{Running, in_turn};
use super::tasks::{Spot, spots};
use cnnc_autotune::statistics::Ratio;
use cnnc_autotune::tuner::Observer;
use cnnc_autotune::{Samples, Trial};
use cnnc_cli::CliError;
use cnnc_tensor::Term;
use std::time::Duration;

/// What the cost of conversions is multiplied with for another plan.
const FACTORS: [f64; 3] = [0.2, 5.0, 25.0];
/// The other plan must be so many times as fast.
const GAIN: f64 = 1.01;
/// Share of the budget in which the plans of one network run in turn, and how long at most.
const SHARE: f64 = 0.02;
const LONGEST: Duration = Duration::from_secs(3);

/// Another plan.
struct Plan {
    /// As its trials describe it.
    description: String,
    spots: Vec<Spot>,
}

/// Settles the layouts of networks by the trials that there are of them.
pub fn recall(networks: &mut [Network], made_for: MadeFor, known: &[&Trial]) -> Result<(), CliError> {
    for network in networks {
        let plans = plans(network, made_for)?;
        take(network, plans, known);
    }
    Ok(())
}

/// Settles the layouts of networks: by the trials that are known of them, else by trials now.
pub fn settle(
    networks: &mut [Network],
    made_for: MadeFor,
    known: &[&Trial],
    watch: &mut Watch,
) -> Result<(), CliError> {
    let longest = watch.budget().mul_f64(SHARE / networks.len().max(1) as f64).min(LONGEST);
    for network in networks {
        let plans = plans(network, made_for)?;
        let name = network.name();
        let is_known = |plan: &Plan| known.iter().any(|trial| is_of(trial, &name, plan));
        let mut trials = vec![];
        if !plans.iter().all(is_known) && !longest.is_zero() && !watch.interrupted() {
            watch.phase(&format!("{name}: its layouts in turn"));
            trials = compare(network, &plans, made_for, longest)?;
            trials.iter().for_each(|trial| watch.trial(trial));
        }
        let all: Vec<&Trial> = known.iter().copied().chain(&trials).collect();
        take(network, plans, &all);
    }
    Ok(())
}

/// The plans of a network that differ from the one by estimate, and from each other.
fn plans(network: &Network, made_for: MadeFor) -> Result<Vec<Plan>, CliError> {
    let Some(graph) = &network.graph else { return Ok(vec![]) };
    let mut plans: Vec<Plan> = vec![];
    for factor in FACTORS {
        let mut target = made_for.target.clone();
        target.calibration.set(Term::Conversion, factor * target.calibration.get(Term::Conversion));
        let spots = spots(graph, &target, &made_for.options.bounds)?;
        let is_same = |others: &[Spot]| others.iter().map(|spot| &spot.place).eq(spots.iter().map(|spot| &spot.place));
        if !is_same(&network.by_estimate) && !plans.iter().any(|plan| is_same(&plan.spots)) {
            plans.push(Plan { description: format!("conversions count {factor} times"), spots });
        }
    }
    Ok(plans)
}

fn is_of(trial: &Trial, name: &str, plan: &Plan) -> bool {
    trial.workload.of_network() == Some(name) && trial.layouts() == Some(&plan.description)
}

/// Runs a network in turn as planned by estimate and otherwise.
fn compare(network: &Network, plans: &[Plan], made_for: MadeFor, longest: Duration) -> Result<Vec<Trial>, CliError> {
    let name = network.name();
    let run = |spots: &[Spot]| made_for.run(network, spots, &[], &|_| None);
    let mut runs = vec![run(&network.by_estimate)?];
    for plan in plans {
        runs.push(run(&plan.spots)?);
    }
    let longest = longest * runs.len() as u32;
    in_turn(&mut runs, longest)?;
    let incumbent = runs[0].totals().to_vec();
    let trial = |(plan, run): (&Plan, &Running)| {
        let (network, incumbent) = (run.totals().to_vec(), incumbent.clone());
        Trial::of_layouts(&name, &plan.description, Samples { network, incumbent, ..Samples::default() })
    };
    Ok(plans.iter().zip(&runs[1..]).map(trial).collect())
}

/// Takes the plan that is faster than the one by estimate by most, in the last trial of each.
fn take(network: &mut Network, plans: Vec<Plan>, trials: &[&Trial]) {
    let name = network.name();
    let gain = |plan: &Plan| {
        let trial = trials.iter().rev().find(|trial| is_of(trial, &name, plan))?;
        Some(Ratio::of(&trial.samples.incumbent, &trial.samples.network)?.median)
    };
    let faster = plans.into_iter().filter_map(|plan| Some((gain(&plan)?, plan))).filter(|(gain, _)| *gain >= GAIN);
    let fastest = faster.max_by(|(a, _), (b, _)| a.total_cmp(b));
    network.settled = fastest.map(|(_, plan)| plan.spots);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::tasks::Place;
    use cnnc_compiler::shapes::parse_layers;
    use cnnc_ir::graph::Candidate;
    use cnnc_tensor::Layout;

    const LAYER: &str = "conv 1x8x8x8 8x8x3x3 pad=1";

    fn spots(output: Layout) -> Vec<Spot> {
        let place = Place { workload: LAYER.into(), input: Layout::Plain, output };
        let layer = parse_layers(LAYER).unwrap().remove(0);
        vec![Spot { name: "a".into(), place, layer, count: 1, untuned: Candidate::new("direct", &[]) }]
    }

    fn trial(network: &str, description: &str, seconds: f64) -> Trial {
        let samples = Samples { network: vec![seconds; 5], incumbent: vec![1.0; 5], ..Samples::default() };
        Trial::of_layouts(network, description, samples)
    }

    /// The layout of the result that the layer of a network is tuned in, after some trials.
    fn settled(trials: &[Trial]) -> Layout {
        let by_estimate = spots(Layout::Plain);
        let mut network = Network { path: "net.onnx".into(), graph: None, by_estimate, settled: None };
        let plan =
            |lanes, description: &str| Plan { description: description.into(), spots: spots(Layout::Blocked(lanes)) };
        take(&mut network, vec![plan(8, "dearer"), plan(16, "cheaper")], &trials.iter().collect::<Vec<_>>());
        network.spots()[0].place.output
    }

    #[test]
    fn the_fastest_plan_by_its_last_trial_is_taken() {
        assert_eq!(settled(&[]), Layout::Plain);
        assert_eq!(settled(&[trial("net", "dearer", 0.995)]), Layout::Plain, "that may be noise");
        assert_eq!(settled(&[trial("other", "dearer", 0.5)]), Layout::Plain, "another network");
        let both = [trial("net", "dearer", 0.9), trial("net", "cheaper", 0.8)];
        assert_eq!(settled(&both[..1]), Layout::Blocked(8));
        assert_eq!(settled(&both), Layout::Blocked(16));
        let last = [both[0].clone(), both[1].clone(), trial("net", "cheaper", 1.2)];
        assert_eq!(settled(&last), Layout::Blocked(8));
    }
}
