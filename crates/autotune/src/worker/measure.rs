//! A worker checks and times a compiled candidate.

use super::compile::{finite, lap};
use super::fault::{self, Stage};
use super::kept::Kept;
use super::protocol::{Measure, MeasureSpent, Measured};
use crate::layer::Runner;
use crate::statistics::Ratio;
use crate::{Samples, TuneError};
use cnnc_runtime::Weights;
use std::time::{Duration, Instant};

/// Turns at least, unless the candidate is given up.
const FEWEST: usize = 5;
/// Turns in which the candidate also runs with everything warm: that decides nothing, it is only shown.
const WARM: usize = 3;
/// Turns at most.
const MOST: usize = 1000;
/// One cold run is enough to give up where it is beyond the bound by this factor.
const PLAIN: f64 = 2.0;
/// Seconds from which on a run takes longer than the system interrupts one.
const SLOW: f64 = 0.05;
/// Seconds of timing at most.
const LONGEST: f64 = 3600.0;
/// A candidate is timed on, where it may be one of the best, until its ratio to the incumbent is known so well,
const WELL: f64 = 0.025;
/// but not for more than so many times as long as it should take.
const PATIENCE: f64 = 6.0;
/// What may be no more than this share of the bound for giving up may be one of the best.
const NEAR_BEST: f64 = 0.85;

/// Checks a candidate and, where its numbers are right, times it in turn with the incumbent.
pub(super) fn measure(request: &Measure, kept: &mut Kept) -> Result<Measured, TuneError> {
    let mut spent = MeasureSpent::default();
    let mut clock = Instant::now();
    let planted = fault::misbehave(Stage::Measure, &request.candidate);
    let layer = kept.layer(&request.layer)?;
    layer.reference()?;
    spent.load = lap(&mut clock);
    let mut runner = layer.runner(&request.file, request.threads)?;
    let error = if planted {
        let off: Vec<f32> = runner.result().iter().map(|v| v * 1.5 + 1.0).collect();
        layer.reference()?.error(&off)
    } else {
        layer.reference()?.error(runner.result())
    };
    spent.check = lap(&mut clock);
    let wrong = error.is_nan() || error > request.max_error;
    let (mut samples, mut stopped) = (Samples::default(), false);
    if !wrong {
        let incumbent = match &request.incumbent {
            Some(file) => Some(layer.incumbent(file, request.threads)?),
            None => None,
        };
        spent.load += lap(&mut clock);
        (samples, stopped) = time(&mut runner, incumbent, request)?;
        spent.timing = lap(&mut clock);
    }
    Ok(Measured { error: finite(error), wrong, stopped, samples, spent })
}

/// Times a candidate in turn with the incumbent, until the time is used up or it is clear that it is far behind.
fn time(
    runner: &mut Runner,
    mut incumbent: Option<&mut Runner>,
    request: &Measure,
) -> Result<(Samples, bool), TuneError> {
    let seconds = if request.seconds.is_finite() { request.seconds.clamp(0.0, LONGEST) } else { 0.0 };
    let budget = Duration::from_secs_f64(seconds);
    let start = Instant::now();
    let mut samples = Samples::default();
    let near_best = NEAR_BEST * request.stop_above.unwrap_or(1.0 / NEAR_BEST);
    for turn in 0..MOST {
        let over = start.elapsed().as_secs_f64() / budget.as_secs_f64();
        if turn >= FEWEST && over > 1.0 && (over > PATIENCE || !unsettled(&samples, near_best)) {
            break;
        }
        // Whoever goes first in a turn may be the better off for it.
        for own in [turn % 2 == 0, turn % 2 != 0] {
            if own {
                samples.cold.push(runner.within()?);
                if turn < WARM {
                    samples.warm.push(runner.once(Weights::Warm)?);
                }
            } else if let Some(incumbent) = incumbent.as_deref_mut() {
                samples.incumbent.push(incumbent.within()?);
            }
        }
        if incumbent.is_some() && request.stop_above.is_some_and(|ratio| far_behind(&samples, ratio)) {
            return Ok((samples, true));
        }
    }
    Ok((samples, false))
}

/// Whether a candidate may take no more than so many times as long as the incumbent, and that is not known well yet.
fn unsettled(samples: &Samples, factor: f64) -> bool {
    Ratio::of(&samples.cold, &samples.incumbent).is_some_and(|ratio| ratio.error > WELL && ratio.least() < factor)
}

/// Whether a candidate is clearly slower than the incumbent by more than a factor: by the best of two runs or more and by
/// the ratio of both in turn, or in one that took long and was slower by far.
fn far_behind(samples: &Samples, factor: f64) -> bool {
    let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let bound = factor * best(&samples.incumbent);
    // A short run may have been interrupted for many times as long as it takes.
    match &samples.cold[..] {
        [only] => *only > SLOW && *only > PLAIN * bound,
        cold => best(cold) > bound && Ratio::of(cold, &samples.incumbent).is_none_or(|ratio| ratio.median > factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_hopeless_is_given_up() {
        let behind = |cold: &[f64], incumbent: &[f64]| {
            far_behind(&Samples { cold: cold.into(), incumbent: incumbent.into(), ..Samples::default() }, 1.5)
        };
        assert!(!behind(&[2.0], &[1.0]), "it may have been interrupted");
        assert!(behind(&[3.1], &[1.0]) && !behind(&[0.0031], &[0.001]));
        assert!(behind(&[2.0, 1.6], &[1.0, 1.0]));
        assert!(!behind(&[2.0, 1.4], &[1.0, 1.0]), "the best is near");
        assert!(!behind(&[2.0, 1.6], &[1.0, 4.0]), "the machine was slow");
    }

    #[test]
    fn what_may_be_the_best_is_timed_until_that_is_known() {
        let of = |cold: &[f64], factor: f64| {
            let incumbent = vec![1.0; cold.len()];
            unsettled(&Samples { cold: cold.into(), incumbent, ..Samples::default() }, factor)
        };
        let noisy = [0.9, 1.1, 1.3, 0.8, 1.0];
        assert!(of(&noisy, 1.0) && !of(&noisy, 0.5));
        assert!(!of(&noisy.repeat(100), 1.0) && !of(&[1.0; 5], 1.0));
    }
}
