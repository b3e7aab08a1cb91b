//! How far tuning is, what it is expected to gain, and how long it will take.

use super::{FINISH, Tuner, time};

impl Tuner<'_> {
    /// Tells the observer how far tuning is.
    pub(super) fn tell(&mut self, at: Option<usize>) {
        let all: f64 = self.tasks.iter().map(time).sum();
        let gains = self.tasks.iter().map(|task| task.search.expected_gain() * time(task));
        self.standing.expected = gains.sum::<f64>() / all.max(f64::MIN_POSITIVE);
        self.standing.seconds = all;
        let (elapsed, budget) = (self.start.elapsed().as_secs_f64(), self.options.budget.as_secs_f64());
        self.standing.used = (elapsed / budget.max(f64::MIN_POSITIVE)).min(1.0);
        self.standing.left = self.searching(all).map_or(f64::INFINITY, |left| left + FINISH * budget);
        self.standing.left = self.standing.left.min(budget - elapsed).max(0.0);
        self.standing.at = at.map_or(String::new(), |task| self.tasks[task].workload.0.clone());
        self.observer.standing(&self.standing);
    }

    /// Seconds until no layer promises anything, as rounds have gone so far; none have at first.
    fn searching(&self, all: f64) -> Option<f64> {
        let each = self.start.elapsed().as_secs_f64() / self.rounds as f64;
        let left = self.tasks.iter().map(|task| task.search.rounds_left(self.worthless(all) / time(task)));
        (self.rounds > 0).then(|| left.sum::<usize>() as f64 * each)
    }
}
