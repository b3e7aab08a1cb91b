//! A barrier that is crossed in well under a microsecond while all its threads run, and that lets them sleep when one
//! of them is long in coming.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread spins before it sleeps, where every thread has a processor of its own.
const SPIN: Duration = Duration::from_micros(100);

#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

/// A reusable barrier for a fixed number of threads.
#[derive(Debug)]
pub(crate) struct Barrier {
    threads: usize,
    spin: Duration,
    arrived: Line<AtomicUsize>,
    generation: Line<AtomicU32>,
    sleepers: AtomicUsize,
    mutex: Mutex<()>,
    condition: Condvar,
}

impl Barrier {
    pub(crate) fn new(threads: usize) -> Barrier {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Barrier {
            threads,
            spin: if threads <= processors { SPIN } else { Duration::ZERO },
            arrived: Line(AtomicUsize::new(0)),
            generation: Line(AtomicU32::new(0)),
            sleepers: AtomicUsize::new(0),
            mutex: Mutex::new(()),
            condition: Condvar::new(),
        }
    }

    /// Returns when all threads have called it. What any of them wrote before is then visible to all.
    pub(crate) fn wait(&self) {
        let generation = self.generation.0.load(Ordering::Acquire);
        if !self.arrive() && !self.spin_past(generation) {
            self.sleep_past(generation);
        }
    }

    /// Counts as one thread that has called [`wait`](Barrier::wait), without waiting; whether it was the last.
    pub(crate) fn arrive(&self) -> bool {
        let last = self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.threads;
        if last {
            self.arrived.0.store(0, Ordering::Relaxed);
            // Sequentially consistent with the sleeper's increment and load: either it sees the new generation, or
            // this thread sees the sleeper.
            self.generation.0.fetch_add(1, Ordering::SeqCst);
            if self.sleepers.load(Ordering::SeqCst) > 0 {
                let _guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
                self.condition.notify_all();
            }
        }
        last
    }

    fn spin_past(&self, generation: u32) -> bool {
        let passed = || self.generation.0.load(Ordering::Acquire) != generation;
        for _ in 0..64 {
            if passed() {
                return true;
            }
            spin_loop();
        }
        let start = Instant::now();
        while start.elapsed() < self.spin {
            for _ in 0..32 {
                if passed() {
                    return true;
                }
                spin_loop();
            }
        }
        false
    }

    fn sleep_past(&self, generation: u32) {
        let mut guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.generation.0.load(Ordering::SeqCst) == generation {
            guard = self.condition.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn threads_stay_in_step_whether_they_spin_or_sleep() {
        for threads in [2, 3, 8] {
            let barrier = Barrier::new(threads);
            let counts: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for me in 0..threads {
                    let (barrier, counts) = (&barrier, &counts);
                    scope.spawn(move || {
                        for round in 1..=300u64 {
                            if me == 0 && round % 100 == 0 {
                                std::thread::sleep(Duration::from_millis(2));
                            }
                            counts[me].store(round, Ordering::Relaxed);
                            barrier.wait();
                            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == round));
                            barrier.wait();
                        }
                    });
                }
            });
        }
    }

    /// A run forks and joins by two crossings. The time is printed (`cargo test -- --nocapture`); the bound holds on any
    /// machine with two processors to spare for one of many short batches.
    #[test]
    fn to_fork_and_join_takes_microseconds() {
        const CROSSINGS: u32 = 200;
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            return;
        }
        let barrier = Barrier::new(2);
        let rounds = 500;
        let mut samples = std::thread::scope(|scope| {
            scope.spawn(|| (0..rounds * CROSSINGS).for_each(|_| barrier.wait()));
            let batch = |_| {
                let start = Instant::now();
                (0..CROSSINGS).for_each(|_| barrier.wait());
                start.elapsed() * 2 / CROSSINGS
            };
            (0..rounds).map(batch).collect::<Vec<Duration>>()
        });
        samples.sort_unstable();
        println!("fork and join of two threads: best {:?}, median {:?}", samples[0], samples[samples.len() / 2]);
        assert!(samples[0] < Duration::from_micros(50), "{:?}", samples[0]);
    }
}
