//! How the threads of a session share the iterations of a step.
//!
//! Each thread begins with an even, contiguous part, so that from step to step it mostly reads what it wrote itself. It
//! takes pieces off the front of its part, half of the rest each time; a thread whose own part is done takes half of
//! another's rest off its back. So a thread that is held up (by the system, a slower core, a costly part of the result)
//! delays the step by one piece and not by its whole part (guided self-scheduling: Polychronopoulos and Kuck, 1987).
//!
//! Invariants: every iteration is run by exactly one thread; when [`Shares::run`] has returned on all threads, all have
//! been run and every part is empty. Which thread runs an iteration changes no result, for iterations are independent.

use std::sync::atomic::{AtomicU64, Ordering};

/// The rest of a thread's part: begin in the high half, end in the low half. A line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Rest(AtomicU64);

/// The parts of the step at hand, one for each thread.
#[derive(Debug)]
pub(crate) struct Shares {
    rests: Vec<Rest>,
}

impl Shares {
    /// Empty parts for that many threads.
    pub(crate) fn new(threads: usize) -> Shares {
        Shares { rests: (0..threads).map(|_| Rest::default()).collect() }
    }

    /// Runs a thread's pieces of `0..extent`. All threads call it for the same step, with a barrier between two steps;
    /// `extent` is below 2^32.
    pub(crate) fn run(&self, thread: usize, extent: i64, run: &mut impl FnMut(i64, i64)) {
        let (begin, end) = part(extent, thread, self.rests.len());
        let own = &self.rests[thread];
        own.0.store(pack(begin, end), Ordering::Relaxed);
        while let Some((begin, end)) = own.take(|begin, end| (begin, begin + half(begin, end))) {
            run(begin, end);
        }
        for other in (1..self.rests.len()).map(|k| &self.rests[(thread + k) % self.rests.len()]) {
            while let Some((begin, end)) = other.take(|begin, end| (end - half(begin, end), end)) {
                run(begin, end);
            }
        }
    }
}

impl Rest {
    /// Takes a piece off the front or the back. No data hangs on the order: the barrier before the step made all that
    /// it reads visible, and the one after it all that it wrote. A value cannot come back during a step, for a part
    /// only shrinks, and no thread begins the next step before all have left this one.
    fn take(&self, piece: impl Fn(i64, i64) -> (i64, i64)) -> Option<(i64, i64)> {
        let mut rest = self.0.load(Ordering::Relaxed);
        loop {
            let (begin, end) = unpack(rest);
            if begin >= end {
                return None;
            }
            let (first, last) = piece(begin, end);
            let left = if first == begin { pack(last, end) } else { pack(begin, first) };
            match self.0.compare_exchange_weak(rest, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some((first, last)),
                Err(now) => rest = now,
            }
        }
    }
}

fn half(begin: i64, end: i64) -> i64 {
    (end - begin + 1) / 2
}

fn pack(begin: i64, end: i64) -> u64 {
    (begin as u64) << 32 | end as u64
}

fn unpack(rest: u64) -> (i64, i64) {
    ((rest >> 32) as i64, (rest & u64::from(u32::MAX)) as i64)
}

/// The part of `0..extent` of a thread: even, contiguous, in the order of the threads.
fn part(extent: i64, thread: usize, threads: usize) -> (i64, i64) {
    let at = |k: usize| (extent as i128 * k as i128 / threads as i128) as i64;
    (at(thread), at(thread + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn parts_are_even_and_cover_the_extent() {
        for (extent, threads) in [(0, 3), (1, 4), (7, 3), (100, 7), (i64::from(u32::MAX), 5)] {
            let parts: Vec<_> = (0..threads).map(|t| part(extent, t, threads)).collect();
            assert_eq!((parts[0].0, parts[threads - 1].1), (0, extent));
            assert!(parts.windows(2).all(|w| w[0].1 == w[1].0));
            let sizes = parts.iter().map(|p| p.1 - p.0);
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }

    #[test]
    fn every_iteration_is_run_once_whoever_is_late() {
        for (threads, extent) in [(2, 1), (2, 7), (3, 1000), (5, 64), (4, 3)] {
            let (shares, barrier) = (Shares::new(threads), Barrier::new(threads));
            let runs: Vec<AtomicU64> = (0..extent).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for me in 0..threads {
                    let (shares, barrier, runs) = (&shares, &barrier, &runs);
                    scope.spawn(move || {
                        for round in 1..=50 {
                            shares.run(me, extent, &mut |begin, end| {
                                if me == round % threads {
                                    std::thread::yield_now();
                                }
                                (begin..end).for_each(|k| _ = runs[k as usize].fetch_add(1, Ordering::Relaxed));
                            });
                            barrier.wait();
                            assert!(runs.iter().all(|r| r.load(Ordering::Relaxed) == round as u64));
                            barrier.wait();
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_thread_that_is_late_gives_most_of_its_part_away() {
        let (shares, held) = (Shares::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut first = true;
                shares.run(0, 64, &mut |_, _| {
                    if std::mem::take(&mut first) {
                        held.wait();
                        held.wait();
                    }
                });
            });
            held.wait();
            let mut count = 0;
            shares.run(1, 64, &mut |begin, end| count += end - begin);
            held.wait();
            assert_eq!(count, 48);
        });
    }
}
