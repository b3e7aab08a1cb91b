//! The certificate: how far the winner of each layer may be from the best of those that came near it.
//!
//! The best few candidates are measured again, each in turn with the winner. The regret is how much longer the winner
//! takes than the fastest of them by the medians of pairs; its interval is a bootstrap over the pairs. The more
//! candidates take part, the more the fastest of them owes to luck: the regret is rather too large than too small. Where a
//! rival is faster it becomes the winner: what is certified is how good the search alone was.

use super::{Incumbent, Observer, Task, TuneOptions, Tuner, time};
use crate::search::Random;
use crate::statistics::{Ratio, median};
use crate::worker::{End, Pool};
use crate::{Outcome, Trial};
use serde::Serialize;

/// Seconds of measuring for each candidate.
const SECONDS: f64 = 0.6;
/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;
/// Parts into which the pairs are cut to see how often the winner changes.
const PARTS: usize = 5;

/// What is certified of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// The layer.
    pub layer: String,
    /// How often the networks have it.
    pub count: usize,
    /// Candidates of its space, and those of them that were tried.
    pub space: usize,
    /// Tried.
    pub tried: usize,
    /// The winner.
    pub winner: String,
    /// The fastest of the others.
    pub rival: String,
    /// Others that took part.
    pub rivals: usize,
    /// Share of the rival's time that the winner takes longer; 0 where none is faster.
    pub regret: f64,
    /// The interval that holds it with 95%.
    pub interval: (f64, f64),
    /// Share of parts of the measurement in which another than the winner is the fastest.
    pub flips: f64,
    /// Seconds of the winner.
    pub seconds: f64,
}

/// Certifies the winners of layers against the next `rivals` of each, the heaviest layers first.
pub fn certify(
    tasks: &mut [Task],
    pool: &mut Pool,
    options: &TuneOptions,
    observer: &mut dyn Observer,
    rivals: usize,
) -> Vec<Certificate> {
    let mut tuner = Tuner::new(tasks, pool, options, observer);
    let mut order: Vec<usize> = (0..tuner.tasks.len()).collect();
    order.sort_by(|&a, &b| time(&tuner.tasks[b]).total_cmp(&time(&tuner.tasks[a])));
    let mut found = vec![];
    for task in order {
        if tuner.observer.interrupted() {
            break;
        }
        tuner.tell(Some(task));
        found.extend(tuner.certificate(task, rivals));
    }
    found
}

impl Tuner<'_> {
    fn certificate(&mut self, task: usize, rivals: usize) -> Option<Certificate> {
        let winner = self.tasks[task].search.best()?;
        let (code, file) = self.compiled(task, winner)?;
        let incumbent = Incumbent { point: winner, file };
        let (mut pairs, mut trials): (Vec<(usize, Vec<f64>)>, _) = (vec![], vec![]);
        for point in self.tasks[task].search.finalists(rivals + 1) {
            let Some((compiled, file)) = self.compiled(task, point) else { continue };
            if compiled.code == code.code {
                continue;
            }
            let mut job = self.measure_job(task, point, &file, Some(&incumbent));
            (job.seconds, job.stop_above) = (SECONDS.max(job.seconds), None);
            let ticket = self.pool.submit_measure(job);
            let Some(End::Measured(measured)) = self.end_of(ticket) else { continue };
            if measured.outcome() == Outcome::Timed {
                trials.push(Trial {
                    outcome: Outcome::Compared,
                    error: Some(measured.error),
                    samples: measured.samples.clone(),
                    ..self.trial_of(task, point, &compiled, Some(winner))
                });
                let both = measured.samples.cold.iter().zip(&measured.samples.incumbent);
                pairs.push((point, both.map(|(own, winner)| own / winner).collect()));
            }
        }
        let Task { workload, count, search, .. } = &self.tasks[task];
        let ratios: Vec<&[f64]> = pairs.iter().map(|(_, ratios)| &ratios[..]).collect();
        let (at, _) = least(&ratios);
        let certificate = Certificate {
            layer: workload.0.clone(),
            count: *count,
            space: search.points().len(),
            tried: search.tried(),
            winner: self.name(task, winner),
            rival: pairs.get(at).map_or(String::new(), |(point, _)| self.name(task, *point)),
            rivals: pairs.len(),
            regret: regret(&ratios),
            interval: interval(&ratios),
            flips: flips(&ratios),
            seconds: search.seconds(winner),
        };
        // The slowest first: the last to win stays.
        trials.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
        trials.iter().for_each(|trial| self.keep(task, trial));
        Some(certificate)
    }
}

/// How long a candidate takes against the winner.
fn ratio(trial: &Trial) -> f64 {
    Ratio::of(&trial.samples.cold, &trial.samples.incumbent).map_or(f64::INFINITY, |ratio| ratio.median)
}

/// Which candidate has the least median ratio to the winner, and that ratio; 1 where there is none.
fn least(ratios: &[&[f64]]) -> (usize, f64) {
    let medians = ratios.iter().map(|ratios| median(ratios).unwrap_or(f64::INFINITY)).enumerate();
    medians.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 1.0))
}

fn regret(ratios: &[&[f64]]) -> f64 {
    (1.0 / least(ratios).1 - 1.0).max(0.0)
}

/// The interval of the regret, by resampling the pairs of each candidate.
fn interval(ratios: &[&[f64]]) -> (f64, f64) {
    let mut random = Random::new(1, 0);
    let mut found: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<Vec<f64>> =
                ratios.iter().map(|r| r.iter().map(|_| r[random.below(r.len())]).collect()).collect();
            regret(&drawn.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
        .collect();
    found.sort_by(f64::total_cmp);
    (found[RESAMPLES / 40], found[RESAMPLES - 1 - RESAMPLES / 40])
}

/// Share of the parts in which a candidate is faster than the winner.
fn flips(ratios: &[&[f64]]) -> f64 {
    let part = |k: usize| {
        let cut: Vec<&[f64]> = ratios
            .iter()
            .map(|r| &r[r.len() * k / PARTS..r.len() * (k + 1) / PARTS])
            .filter(|r| !r.is_empty())
            .collect();
        least(&cut).1 < 1.0
    };
    (0..PARTS).filter(|&k| part(k)).count() as f64 / PARTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regret_is_that_of_the_fastest_rival() {
        let slow = [1.2; 20];
        assert_eq!((regret(&[]), regret(&[&slow]), interval(&[&slow]), flips(&[&slow])), (0.0, 0.0, (0.0, 0.0), 0.0));
        let fast = [0.8; 20];
        assert_eq!((regret(&[&slow, &fast]), flips(&[&slow, &fast])), (0.25, 1.0));
        let noisy: Vec<f64> = (0..40).map(|k| if k % 2 == 0 { 0.9 } else { 1.1 }).collect();
        let (low, high) = interval(&[&noisy]);
        assert!(low == 0.0 && high > 0.05, "{low} {high}");
    }
}
