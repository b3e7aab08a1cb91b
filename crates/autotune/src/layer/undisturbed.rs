//! Runs that other processes had no part in.
//!
//! A run of a tenth of a millisecond in which the system gave the core to somebody else takes a time slice more, several
//! milliseconds: dozens of times what it should. Neither medians nor pairs help where that happens run after run. The
//! system's account of the thread says how long it was away, and where that is more than a little of the run, the run is
//! repeated.

use std::time::Instant;

/// Runs at most.
const TRIES: usize = 4;
/// Share of a run for which its thread may be away,
const SHARE: f64 = 0.02;
/// and seconds that reading clocks may take.
const CLOCKS: f64 = 3e-6;

/// Seconds of a run that was hardly interrupted, else the least of several that were.
pub fn undisturbed<E>(mut run: impl FnMut() -> Result<f64, E>) -> Result<f64, E> {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let (start, before) = (Instant::now(), at_work());
        let seconds = run()?;
        let away =
            before.zip(at_work()).map_or(0.0, |(before, after)| start.elapsed().as_secs_f64() - (after - before));
        least = least.min(seconds);
        if away <= SHARE * seconds + CLOCKS {
            break;
        }
    }
    Ok(least)
}

/// Seconds that this thread has had a core.
#[cfg(unix)]
fn at_work() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is complete, and written by the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (failed == 0).then_some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

/// Not known elsewhere.
#[cfg(not(unix))]
fn at_work() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How often a run that takes so many seconds is made where the thread is away for 2 ms in the first few.
    fn runs(seconds: f64, interrupted: i32) -> i32 {
        let mut runs = 0;
        let run = || {
            runs += 1;
            if runs <= interrupted {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok::<f64, ()>(seconds / f64::from(runs))
        };
        let least = undisturbed(run).unwrap();
        assert_eq!(least, seconds / f64::from(runs));
        runs
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_was_away_is_repeated_at_most_a_few_times() {
        assert_eq!(runs(1e-3, 9), TRIES as i32);
        assert!(runs(1e-3, 1) > 1);
        assert_eq!(runs(1e4, 9), 1, "2 ms are little of it");
        assert_eq!(undisturbed(|| Err::<f64, i32>(7)), Err(7));
    }
}
