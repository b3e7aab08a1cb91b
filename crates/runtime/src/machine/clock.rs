//! The clock, from a chain of additions of which each takes a cycle.

use std::time::{Duration, Instant};

/// MHz of one busy thread: the best of some short runs.
pub(super) fn measure_mhz() -> f64 {
    const ROUNDS: u64 = 20_000;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < Duration::from_millis(20) {
        let begin = Instant::now();
        let cycles = chain(ROUNDS);
        best = best.min(begin.elapsed().as_secs_f64() / cycles);
    }
    1e-6 / best
}

/// Runs a chain of dependent additions and returns its cycles.
#[cfg(target_arch = "x86_64")]
fn chain(rounds: u64) -> f64 {
    const ADDITIONS: f64 = 16.0;
    // SAFETY: only registers are used, all declared. The addend is a register: additions of small constants may be
    // folded away by the processor.
    unsafe {
        std::arch::asm!(
            "2:",
            "add {x}, {y}", "add {x}, {y}", "add {x}, {y}", "add {x}, {y}",
            "add {x}, {y}", "add {x}, {y}", "add {x}, {y}", "add {x}, {y}",
            "add {x}, {y}", "add {x}, {y}", "add {x}, {y}", "add {x}, {y}",
            "add {x}, {y}", "add {x}, {y}", "add {x}, {y}", "add {x}, {y}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = inout(reg) 1u64 => _, y = in(reg) 3u64,
            options(nomem, nostack),
        );
    }
    rounds as f64 * ADDITIONS
}

#[cfg(not(target_arch = "x86_64"))]
fn chain(rounds: u64) -> f64 {
    rounds as f64
}
