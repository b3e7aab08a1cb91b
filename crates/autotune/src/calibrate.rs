//! Analytic costs fitted to trials: the terms under which the choices by estimate are best.
//!
//! What counts is not how close an estimate is to the measured time but how much is lost by choosing by it, among all
//! algorithms and layouts, long layers more than short ones. A layer's loss is the mean logarithm of its candidates'
//! times over the best, each weighted by `exp(-ln(estimate / least) / T)`: almost that of the choice itself, but smooth,
//! so that coordinate descent finds its way. Estimates that are off are no loss as long as they all are alike: a penalty
//! sees to that. Another keeps terms about which the trials say nothing at the values that the fit starts from. The
//! trials decide all: there is no chance in it.

mod place;

use crate::TuneError;
use crate::database::Record;
use cnnc_tensor::{Calibration, Target, Term};
use place::{Expected, Place, places};
use std::collections::BTreeMap;
use std::f64::consts::E;
use std::thread;

/// How near to the least an estimate must be to count as a choice: the T of the weights, as a logarithm.
const NEAR: f64 = 0.04;
/// More than so much lost by a candidate is all the same, as a logarithm.
const MOST_LOST: f64 = 1.2;
/// Penalty of estimates that are off by a factor of e here and not there: layouts are chosen between by times of several
/// layers.
const SPREAD: f64 = 0.05;
/// Penalty of a term that is e times what it was.
const PENALTY: f64 = 5e-4;
/// Passes over all terms.
const PASSES: usize = 12;
/// The factor of the first pass's steps, and what is left of its logarithm from pass to pass.
const STEP: f64 = 1.35;
const SHRINK: f64 = 0.8;
/// The longer step that is tried besides, as a power of it: what does not fit in a cache any more changes the choice at
/// once, and a short step from there changes nothing.
const LONG: i32 = 4;
/// Where a term that is 0 is tried first.
const FROM_ZERO: f64 = 1.0;
/// A step must gain so much to be taken.
const GAIN: f64 = 1e-5;
/// One layer of so many is left out to judge the fit by.
const LEFT_OUT: usize = 3;
/// A fit to fewer layers is none.
const FEWEST_LAYERS: usize = 24;

/// How much is lost by choosing by estimate: the time of the choice over that of the best, the weighted geometric mean over
/// layers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Loss {
    /// Under the terms that the fit started from.
    pub before: f64,
    /// Under the fitted terms.
    pub after: f64,
}

/// A fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Layers.
    pub layers: usize,
    /// Candidates of them that were timed.
    pub candidates: usize,
    /// The terms fitted to all layers.
    pub calibration: Calibration,
    /// On all layers.
    pub loss: Loss,
    /// On a third of the layers, under terms that were fitted to the others.
    pub left_out: Loss,
}

/// Targets that differ in their threads, by their number.
pub type Targets = BTreeMap<usize, Target>;

/// Fits the terms of targets to trials made for them, in the order of the log; `None` where these are of too few layers.
/// `tick` hears of every step, of which there are [`steps`]; the fit ends early, as `None`, where it returns false.
pub fn fit(records: &[Record], targets: &Targets, tick: &mut dyn FnMut() -> bool) -> Result<Option<Fit>, TuneError> {
    let Some(start) = targets.values().next().map(|target| target.calibration) else { return Ok(None) };
    let places = places(records, targets)?;
    if places.len() < FEWEST_LAYERS {
        return Ok(None);
    }
    let all: Vec<&Place> = places.iter().collect();
    // Layers that differ in their tails alone are left out together.
    let (tested, taught): (Vec<&Place>, Vec<&Place>) = all.iter().partition(|place| place.shape % LEFT_OUT == 0);
    let Some(of_part) = descend(&taught, targets, start, tick) else { return Ok(None) };
    let Some(calibration) = descend(&all, targets, start, tick) else { return Ok(None) };
    let loss = |places: &[&Place], after: &Calibration| Loss {
        before: choices(places, targets, &start),
        after: choices(places, targets, after),
    };
    Ok(Some(Fit {
        layers: places.len(),
        candidates: places.iter().map(Place::candidates).sum(),
        loss: loss(&all, &calibration),
        left_out: loss(&tested, &of_part),
        calibration,
    }))
}

/// Steps of a fit.
pub fn steps() -> usize {
    2 * PASSES * Term::ALL.len()
}

/// Coordinate descent from some terms; `None` where `tick` ends it.
fn descend(
    places: &[&Place],
    targets: &Targets,
    start: Calibration,
    tick: &mut dyn FnMut() -> bool,
) -> Option<Calibration> {
    let mut best = start;
    let mut least = objective(places, targets, &start, &start);
    let mut step = STEP;
    for _ in 0..PASSES {
        for term in Term::ALL {
            if !tick() {
                return None;
            }
            let value = best.get(term);
            for factor in [step, 1.0 / step, step.powi(LONG), step.powi(-LONG)] {
                let mut next = best;
                next.set(term, stepped(term, value, factor));
                let found = objective(places, targets, &next, &start);
                if found < least - GAIN {
                    (best, least) = (next, found);
                }
            }
        }
        step = step.powf(SHRINK);
    }
    Some(best)
}

/// A term's value by a step: a term that is 0 goes on from elsewhere, a share ends at all.
fn stepped(term: Term, value: f64, factor: f64) -> f64 {
    (factor * if value > 0.0 { value } else { FROM_ZERO }).min(term.most())
}

fn objective(places: &[&Place], targets: &Targets, terms: &Calibration, start: &Calibration) -> f64 {
    let found = each(places, targets, terms, Place::expected);
    let mean = |figure: &dyn Fn(&Expected) -> f64| weighted_mean(places, found.iter().map(figure));
    let off = mean(&|place| place.off);
    let spread = mean(&|place| (place.off - off).powi(2));
    // A term that was 0 has moved by a factor of e where it is first tried.
    let moved = |term: Term| {
        let least = if start.get(term) > 0.0 { 1e-3 } else { FROM_ZERO / E };
        (terms.get(term).max(least) / start.get(term).max(least)).ln()
    };
    let penalty: f64 = Term::ALL.into_iter().map(|term| moved(term).powi(2)).sum();
    mean(&|place| place.loss) + SPREAD * spread + PENALTY * penalty
}

/// Weighted geometric mean of the choices' times over the best.
fn choices(places: &[&Place], targets: &Targets, terms: &Calibration) -> f64 {
    let lost = each(places, targets, terms, |place, target| place.choice(target).ln());
    weighted_mean(places, lost.into_iter()).exp()
}

/// Mean of a figure of each place, weighted by what they count for; 0 of none.
fn weighted_mean(places: &[&Place], figures: impl Iterator<Item = f64>) -> f64 {
    let all: f64 = places.iter().map(|place| place.weight).sum();
    let sum: f64 = places.iter().zip(figures).map(|(place, figure)| place.weight * figure).sum();
    if all > 0.0 { sum / all } else { 0.0 }
}

/// Figures of each place under some terms, in their order, on all processors.
fn each<T: Send>(
    places: &[&Place],
    targets: &Targets,
    terms: &Calibration,
    figure: impl Fn(&Place, &Target) -> T + Sync,
) -> Vec<T> {
    let with = |target: &Target| Target { calibration: *terms, ..target.clone() };
    let targets: Targets = targets.iter().map(|(&threads, target)| (threads, with(target))).collect();
    let figure = |place: &Place| targets.get(&place.threads).map(|target| figure(place, target));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = places.len().div_ceil(threads).max(1);
    let figure = &figure;
    thread::scope(|scope| {
        let parts: Vec<_> = places
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().filter_map(|place| figure(place)).collect::<Vec<T>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::SessionInfo;
    use crate::{Outcome, Samples, Setting, Trial, Workload};
    use cnnc_compiler::ways;
    use cnnc_lower::Breadth;
    use cnnc_tensor::Isa;

    /// Trials of layers on a machine whose costs are those of a target.
    fn trials_on(machine: &Target) -> Vec<Record> {
        let session = SessionInfo { id: "a".into(), seed: 1, command: String::new(), started: 0.0, ended: None };
        let setting = Setting {
            isa: machine.isa.name().into(),
            threads: 1,
            backend: String::new(),
            revision: String::new(),
            machine: String::new(),
        };
        let mut records = vec![];
        for channels in [32, 64, 96, 128, 192, 256] {
            for size in [7, 14, 28, 56] {
                let line = format!("conv 1x{channels}x{size}x{size} {channels}x{channels}x1x1");
                let graph = place::graph_of(&line).unwrap().unwrap();
                for way in ways(&graph, machine, Breadth::Offered).unwrap() {
                    let layouts = (way.input.to_string(), way.output.to_string());
                    if layouts != ("c8".to_string(), "c8".to_string()) {
                        continue;
                    }
                    let trial = Trial {
                        estimate: way.seconds,
                        samples: Samples { cold: vec![way.seconds; 3], ..Samples::default() },
                        ..Trial::new(&Workload(line.clone()), ("c8", "c8"), &way.candidate.to_string(), Outcome::Timed)
                    };
                    let (session, setting) = (session.clone(), setting.clone());
                    records.push(Record { session, index: 0, time: 0.0, setting, trial });
                }
            }
        }
        records
    }

    #[test]
    fn the_terms_of_a_machine_are_found() {
        let usual = Target::of(Isa::X86V3);
        let mut machine = usual.clone();
        // Strassen's products are far better than the usual terms have it, register tiles' ends far dearer.
        machine.calibration.set(Term::StrassenOne, 0.7);
        machine.calibration.set(Term::TiledEnd, 150.0);
        let records = trials_on(&machine);
        let mut ticks = 0;
        let mut tick = || {
            ticks += 1;
            true
        };
        let fit = fit(&records, &Targets::from([(1, usual)]), &mut tick).unwrap().unwrap();
        assert_eq!(ticks, steps());
        assert!(fit.layers == 24 && fit.candidates == records.len());
        assert!(fit.loss.before > 1.01 && fit.loss.after < 1.0 + 0.2 * (fit.loss.before - 1.0), "{:?}", fit.loss);
        assert!(fit.left_out.after < fit.left_out.before, "{:?}", fit.left_out);
    }

    #[test]
    fn terms_leave_zero_and_shares_stay_shares() {
        assert_eq!(stepped(Term::StrassenInput, 0.0, 1.25), 1.25);
        assert_eq!(stepped(Term::StrassenAhead, 0.9, 1.25), 1.0);
        assert_eq!(stepped(Term::TiledEnd, 10.0, 1.25), 12.5);
        let mut usual = Target::of(Isa::X86V3);
        usual.calibration.set(Term::StrassenOne, 0.7);
        usual.calibration.set(Term::StrassenInput, 0.0);
        let mut machine = usual.clone();
        machine.calibration.set(Term::StrassenInput, 4.0);
        let fit = fit(&trials_on(&machine), &Targets::from([(1, usual)]), &mut || true).unwrap().unwrap();
        let input = fit.calibration.get(Term::StrassenInput);
        assert!(input > 0.3, "{input}");
    }

    #[test]
    fn too_little_is_no_fit_and_it_can_be_ended() {
        let targets = Targets::from([(1, Target::of(Isa::X86V3))]);
        let records = trials_on(&targets[&1]);
        assert!(fit(&records[..40], &targets, &mut || true).unwrap().is_none());
        assert!(fit(&records, &targets, &mut || false).unwrap().is_none());
        let others = Targets::from([(2, targets[&1].clone())]);
        assert!(fit(&records, &others, &mut || true).unwrap().is_none(), "they are of one thread");
    }
}
