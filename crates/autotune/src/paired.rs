//! Times of candidates that can be compared, though the speed of a machine changes with the hour.
//!
//! A candidate is measured in turn with a reference. Its time is that one's, as known before, by the ratio of both; as
//! measured only where there was no other. The reference changes only where a candidate is faster by far: each change owes
//! a little to luck, and later candidates look faster by that than equal ones before. Where two were compared in the end, the faster one there is the
//! winner, whatever their first times say. All of it is a function of the trials in order.

use crate::statistics::{Ratio, median};
use crate::{Outcome, Samples, Trial};
use std::collections::HashMap;

/// How much faster than the reference a candidate must be to become it.
const BY_FAR: f64 = 0.6;
/// How much faster than the winner so far a candidate must be, in turn with it, to take its place.
const NOISE: f64 = 0.99;

/// What trials of one layer in one place have shown.
#[derive(Clone, Debug, Default)]
pub struct Paired {
    /// Seconds by candidate, and whether it was timed to the end.
    known: HashMap<String, (f64, bool)>,
    /// What candidates are measured in turn with.
    reference: Option<String>,
    /// The winner of the comparisons, once there were some.
    settled: Option<String>,
}

impl Paired {
    /// Takes note of a trial.
    pub fn note(&mut self, trial: &Trial) {
        if trial.outcome == Outcome::Compared {
            return self.compared(trial);
        }
        let complete = matches!(trial.outcome, Outcome::Timed | Outcome::SameCode);
        let timed = complete || trial.outcome == Outcome::StoppedEarly;
        let seconds = if timed { self.in_turn(trial) } else { f64::INFINITY };
        // Of several trials of a candidate a complete one counts, and the last of those.
        if self.known.get(&trial.candidate).is_none_or(|before| complete || !before.1) {
            self.known.insert(trial.candidate.clone(), (seconds, complete));
        }
        if complete && self.reference().is_none_or(|reference| seconds < BY_FAR * self.seconds(reference)) {
            self.reference = Some(trial.candidate.clone());
        }
        // Whoever is faster than the winner of a comparison has not taken part in it.
        if self.settled.as_ref().is_some_and(|winner| complete && seconds < self.seconds(winner)) {
            self.settled = None;
        }
    }

    /// Seconds of a candidate; infinite where it was not timed.
    pub fn seconds(&self, candidate: &str) -> f64 {
        self.known.get(candidate).map_or(f64::INFINITY, |known| known.0)
    }

    /// What other candidates are to be measured in turn with; `None` where none was timed.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// The winner of the comparisons, if there were some.
    pub fn settled(&self) -> Option<&str> {
        self.settled.as_deref()
    }

    /// Seconds of the fastest candidate that was timed to the end; infinite where none was.
    pub fn least(&self) -> f64 {
        self.known.values().filter(|known| known.1).map(|known| known.0).fold(f64::INFINITY, f64::min)
    }

    fn in_turn(&self, trial: &Trial) -> f64 {
        let Samples { cold, incumbent, .. } = &trial.samples;
        match (self.seconds(&trial.against), Ratio::of(cold, incumbent)) {
            (other, Some(ratio)) if other.is_finite() => other * ratio.median,
            _ => median(cold).unwrap_or(f64::INFINITY),
        }
    }

    fn compared(&mut self, trial: &Trial) {
        let samples = &trial.samples;
        let own = if samples.network.is_empty() { &samples.cold } else { &samples.network };
        let faster = Ratio::of(own, &samples.incumbent).is_some_and(|ratio| ratio.median < NOISE);
        self.settled = Some(if faster { &trial.candidate } else { &trial.against }.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workload;

    fn trial(candidate: &str, outcome: Outcome, against: &str, (own, other): (f64, f64)) -> Trial {
        Trial {
            against: against.into(),
            samples: Samples { cold: vec![own], incumbent: vec![other; against.len().min(1)], ..Samples::default() },
            ..Trial::new(&Workload("conv".into()), ("plain", "plain"), candidate, outcome)
        }
    }

    #[test]
    fn a_machine_that_slows_down_does_not_change_the_order() {
        let mut paired = Paired::default();
        paired.note(&trial("a", Outcome::Timed, "", (1.0, 0.0)));
        // Twice as slow from here on.
        paired.note(&trial("b", Outcome::Timed, "a", (1.0, 2.0)));
        paired.note(&trial("c", Outcome::StoppedEarly, "b", (2.0, 1.0)));
        assert_eq!((paired.seconds("b"), paired.seconds("c"), paired.least()), (0.5, 1.0, 0.5));
        assert_eq!((paired.seconds("d"), paired.reference()), (f64::INFINITY, Some("b")));
        paired.note(&trial("e", Outcome::Timed, "b", (0.7, 1.0)));
        assert_eq!(paired.reference(), Some("b"), "a little faster is not enough");
    }

    #[test]
    fn comparisons_settle_the_winner_until_another_is_faster() {
        let mut paired = Paired::default();
        paired.note(&trial("a", Outcome::Timed, "", (1.0, 0.0)));
        paired.note(&trial("b", Outcome::Timed, "a", (1.01, 1.0)));
        assert_eq!(paired.settled(), None);
        paired.note(&trial("b", Outcome::Compared, "a", (0.98, 1.0)));
        assert_eq!(paired.settled(), Some("b"));
        paired.note(&trial("a", Outcome::Compared, "b", (0.995, 1.0)));
        assert_eq!(paired.settled(), Some("b"), "within the noise the winner stays");
        paired.note(&trial("c", Outcome::Timed, "b", (0.5, 1.0)));
        assert_eq!(paired.settled(), None);
    }
}
