//! What it costs to set the threads of a session to work and to wait for them.

use crate::barrier::Barrier;
use std::time::{Duration, Instant};

/// Median microseconds of a fork and join of threads that have nothing to do in between: two crossings of the barrier
/// that sessions use.
pub(super) fn measure_microseconds(threads: usize) -> f64 {
    const ROUNDS: usize = 3000;
    let barrier = Barrier::new(threads);
    let cross = || {
        barrier.wait();
        barrier.wait();
    };
    let mut samples: Vec<Duration> = vec![];
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| (0..ROUNDS).for_each(|_| cross()));
        }
        samples.extend((0..ROUNDS).map(|_| {
            let begin = Instant::now();
            cross();
            begin.elapsed()
        }));
    });
    samples.sort_unstable();
    samples[ROUNDS / 2].as_secs_f64() * 1e6
}
