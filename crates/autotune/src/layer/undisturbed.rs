//! Runs that other processes had no part in.
//!
//! A run of a tenth of a millisecond in which the system gave the core to somebody else takes a time slice more, several
//! milliseconds: dozens of times what it should. Neither medians nor pairs help where that happens run after run. The
//! system counts such switches, so the run is repeated.

/// Runs at most.
const TRIES: usize = 4;

/// Seconds of a run that was not interrupted, else the least of several that were.
pub fn undisturbed<E>(mut run: impl FnMut() -> Result<f64, E>) -> Result<f64, E> {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let before = interruptions();
        least = least.min(run()?);
        if interruptions() == before {
            break;
        }
    }
    Ok(least)
}

/// How often the system took a core from a thread of this process that had more to do.
#[cfg(unix)]
fn interruptions() -> i64 {
    // SAFETY: the structure is complete, and written by the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage.ru_nivcsw
    }
}

/// Not known elsewhere.
#[cfg(not(unix))]
fn interruptions() -> i64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_run_that_shares_its_core_is_repeated_at_most_a_few_times() {
        let runs = std::cell::Cell::new(0);
        let once = || {
            runs.set(runs.get() + 1);
            Ok::<f64, ()>(1.0 / f64::from(runs.get()))
        };
        let least = undisturbed(once).unwrap();
        assert!(runs.get() <= TRIES as u32 && least == 1.0 / f64::from(runs.get()));
        assert_eq!(undisturbed(|| Err::<f64, i32>(7)), Err(7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn interruptions_are_counted() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let busy = || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        let before = interruptions();
        std::thread::scope(|scope| {
            // More threads that have something to do than there are cores.
            (0..2 * std::thread::available_parallelism().unwrap().get()).for_each(|_| drop(scope.spawn(busy)));
            let start = Instant::now();
            while interruptions() == before && start.elapsed() < Duration::from_secs(20) {
                std::hint::spin_loop();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(interruptions() > before);
    }
}
