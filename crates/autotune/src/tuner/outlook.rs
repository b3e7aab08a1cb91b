//! How far tuning is, what it is expected to gain, and how long it will take.

use super::finish::{FINALISTS, LONGER};
use super::{FINISH, Tuner, time};
use std::time::Instant;

/// Seconds for which the last comparison is thought to go as expected, whatever its first layers took.
const TRUSTED: f64 = 10.0;
/// Seconds of a comparison besides its timing: compiling, and making, packing and reading each byte of operands; and how much
/// longer the timing takes than the runs in it.
const COMPILED: f64 = 0.06;
const OF_BYTE: f64 = 2e-9;
const TIMED: f64 = 1.27;
/// Rounds that a round is followed by because it gained, at most.
const MOST_FOLLOWED: f64 = 0.8;

/// The last comparison, how far it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// When it began.
    pub(super) begun: Instant,
    /// Seconds that it was expected to take.
    pub(super) all: f64,
    /// Those of the layers that are done.
    pub(super) done: f64,
}

/// Seconds that rounds to come take, `left` of them should none gain anything, each as those before. Those that do gain are
/// followed by others, as many as in the latter half of those before; `ended` has for the end of each round how many there
/// were to be in all.
fn searching(ended: &[usize], left: usize, elapsed: f64) -> Option<f64> {
    let half = ended[..ended.len() - ended.len() / 2].last()?;
    let followed = (ended.len() + left).saturating_sub(*half) as f64 / (ended.len() / 2).max(1) as f64;
    Some(left as f64 / (1.0 - followed.min(MOST_FOLLOWED)) * elapsed / ended.len() as f64)
}

impl Ending {
    /// Seconds that are left where the layers that are done took so many.
    fn left(&self, took: f64) -> f64 {
        (self.all - self.done).max(0.0) * (took + TRUSTED) / (self.done + TRUSTED)
    }
}

impl Tuner<'_> {
    /// Tells the observer how far tuning is.
    pub(super) fn tell(&mut self, at: Option<usize>) {
        let all: f64 = self.tasks.iter().map(time).sum();
        let gains = self.tasks.iter().map(|task| task.search.expected_gain() * time(task));
        self.standing.expected = gains.sum::<f64>() / all.max(f64::MIN_POSITIVE);
        self.standing.seconds = all;
        let (elapsed, budget) = (self.start.elapsed().as_secs_f64(), self.options.budget.as_secs_f64());
        self.standing.used = (elapsed / budget.max(f64::MIN_POSITIVE)).min(1.0);
        let left = match &self.ending {
            Some(ending) => ending.left(ending.begun.elapsed().as_secs_f64()),
            None => {
                let comparing: f64 = (0..self.tasks.len()).map(|task| self.comparing(task)).sum();
                let searching = searching(&self.ended, self.rounds_left(all), elapsed).unwrap_or(f64::INFINITY);
                searching + comparing.min(FINISH * budget)
            }
        };
        self.standing.left = left.min(budget - elapsed).max(0.0);
        self.standing.at = at.map_or(String::new(), |task| self.tasks[task].workload.0.clone());
        self.observer.standing(&self.standing);
    }

    /// Takes note of the end of a round.
    pub(super) fn note_round(&mut self) {
        let all = self.tasks.iter().map(time).sum();
        self.ended.push(self.ended.len() + 1 + self.rounds_left(all));
    }

    /// Rounds until no layer promises anything, should none of them gain anything, where all networks take so many seconds.
    fn rounds_left(&self, all: f64) -> usize {
        let worthless = self.worthless(all);
        self.tasks.iter().map(|task| task.search.rounds_left(worthless / time(task))).sum()
    }

    /// Seconds that a layer's best candidates are expected to take in the last comparison.
    pub(super) fn comparing(&self, task: usize) -> f64 {
        let Some(best) = self.tasks[task].search.best() else { return 0.0 };
        let each = COMPILED + OF_BYTE * self.tasks[task].bytes as f64 + TIMED * LONGER * self.trial_seconds(task, best);
        self.tasks[task].search.timed().min(FINALISTS) as f64 * each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_followed_by_others_as_before() {
        assert_eq!(searching(&[], 7, 3.0), None);
        // None gained anything; every second one did.
        let ended = |in_all: fn(usize) -> usize| (1..=40).map(in_all).collect::<Vec<usize>>();
        assert_eq!(searching(&ended(|_| 100), 60, 80.0), Some(120.0));
        assert_eq!(searching(&ended(|k| 80 + k / 2), 60, 80.0), Some(240.0));
        assert_eq!(searching(&[101], 100, 2.0), Some(200.0));
    }

    #[test]
    fn the_end_goes_on_as_it_went() {
        let ending = |done| Ending { begun: Instant::now(), all: 300.0, done };
        assert_eq!(ending(0.0).left(0.0), 300.0);
        assert_eq!(ending(100.0).left(100.0), 200.0);
        assert_eq!(ending(100.0).left(45.0), 100.0);
        assert_eq!(ending(300.0).left(500.0), 0.0);
    }
}
