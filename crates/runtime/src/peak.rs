//! The machine's peak of fused multiply-adds in f32, measured: what a profile's shares of the peak refer to.

use cnnc_tensor::Isa;
use std::time::{Duration, Instant};

/// Peak of the best instruction set of this machine over a number of threads that run at once, in GFLOP/s (a
/// multiply-add is two operations); `None` where it cannot be measured. Takes about 20 ms.
pub fn measure_peak_gflops(threads: usize) -> Option<f64> {
    measure_isa_peak_gflops(Isa::detect()?, threads)
}

/// The same of an instruction set; `None` where this machine does not have it.
pub fn measure_isa_peak_gflops(isa: Isa, threads: usize) -> Option<f64> {
    Isa::detect().filter(|host| isa <= *host)?;
    let measure = move || rate(isa);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(measure)).collect();
        let own = measure();
        others.into_iter().try_fold(own, |sum, other| other.join().ok().map(|rate| sum + rate))
    })
}

/// Multiply-adds on whole vectors that one thread starts in a cycle, whatever the clock is meanwhile: wide vectors lower
/// it on some processors. `None` where this machine does not have the instruction set, or that has no multiply-adds.
pub fn measure_multiply_adds(isa: Isa) -> Option<u32> {
    Isa::detect().filter(|host| isa <= *host && isa != Isa::X86V2)?;
    // One that waits for the one before takes 4 cycles, 5 on processors before Skylake and Zen 3.
    let overlapping = rate(isa) / rate_of(isa, chain);
    Some((overlapping / 4.0 + 0.45).floor().clamp(1.0, 8.0) as u32)
}

/// GFLOP/s of one thread.
fn rate(isa: Isa) -> f64 {
    rate_of(isa, run)
}

/// GFLOP/s of a loop: the best of some short runs.
fn rate_of(isa: Isa, run: impl Fn(Isa, u64) -> f64) -> f64 {
    const ROUNDS: u64 = 20_000;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < Duration::from_millis(20) {
        let begin = Instant::now();
        let flops = run(isa, ROUNDS);
        best = best.min(begin.elapsed().as_secs_f64() / flops);
    }
    1e-9 / best
}

/// Runs a loop of independent multiply-adds and returns the number of operations.
#[cfg(target_arch = "x86_64")]
fn run(isa: Isa, rounds: u64) -> f64 {
    const CHAINS: f64 = 12.0;
    // SAFETY: `isa` is what this machine was found to have.
    unsafe {
        match isa {
            Isa::X86V4 => fma_512(rounds),
            Isa::X86V3 => fma_256(rounds),
            Isa::X86V2 => mul_add_128(rounds),
        }
    }
    rounds as f64 * CHAINS * 2.0 * isa.lanes() as f64
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_: Isa, rounds: u64) -> f64 {
    rounds as f64
}

/// Runs multiply-adds of which each needs the one before and returns the number of operations.
#[cfg(target_arch = "x86_64")]
fn chain(isa: Isa, rounds: u64) -> f64 {
    // SAFETY: `isa` is what this machine was found to have.
    unsafe {
        match isa {
            Isa::X86V4 => chain_512(rounds),
            _ => chain_256(rounds),
        }
    }
    rounds as f64 * 4.0 * 2.0 * isa.lanes() as f64
}

#[cfg(not(target_arch = "x86_64"))]
fn chain(_: Isa, rounds: u64) -> f64 {
    rounds as f64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn chain_512(rounds: u64) {
    use std::arch::x86_64::{__m512, _mm512_set1_ps};
    let zero: __m512 = _mm512_set1_ps(0.0);
    // SAFETY: only registers are used, all declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {a}, {x}, {x}",
            "vfmadd231ps {a}, {x}, {x}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = in(zmm_reg) zero, a = inout(zmm_reg) zero => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn chain_256(rounds: u64) {
    use std::arch::x86_64::{__m256, _mm256_set1_ps};
    let zero: __m256 = _mm256_set1_ps(0.0);
    // SAFETY: only registers are used, all declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {a}, {x}, {x}",
            "vfmadd231ps {a}, {x}, {x}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = in(ymm_reg) zero, a = inout(ymm_reg) zero => _,
            options(nomem, nostack),
        );
    }
}

/// Twelve chains: more than latency times throughput of any processor. Written in assembly so that a build without
/// optimization measures the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn fma_512(rounds: u64) {
    use std::arch::x86_64::{__m512, _mm512_set1_ps};
    let zero: __m512 = _mm512_set1_ps(0.0);
    // SAFETY: only registers are used, all declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {b}, {x}, {x}", "vfmadd231ps {c}, {x}, {x}",
            "vfmadd231ps {d}, {x}, {x}", "vfmadd231ps {e}, {x}, {x}", "vfmadd231ps {f}, {x}, {x}",
            "vfmadd231ps {g}, {x}, {x}", "vfmadd231ps {h}, {x}, {x}", "vfmadd231ps {i}, {x}, {x}",
            "vfmadd231ps {j}, {x}, {x}", "vfmadd231ps {k}, {x}, {x}", "vfmadd231ps {l}, {x}, {x}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = in(zmm_reg) zero,
            a = inout(zmm_reg) zero => _, b = inout(zmm_reg) zero => _, c = inout(zmm_reg) zero => _,
            d = inout(zmm_reg) zero => _, e = inout(zmm_reg) zero => _, f = inout(zmm_reg) zero => _,
            g = inout(zmm_reg) zero => _, h = inout(zmm_reg) zero => _, i = inout(zmm_reg) zero => _,
            j = inout(zmm_reg) zero => _, k = inout(zmm_reg) zero => _, l = inout(zmm_reg) zero => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn fma_256(rounds: u64) {
    use std::arch::x86_64::{__m256, _mm256_set1_ps};
    let zero: __m256 = _mm256_set1_ps(0.0);
    // SAFETY: only registers are used, all declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps {a}, {x}, {x}", "vfmadd231ps {b}, {x}, {x}", "vfmadd231ps {c}, {x}, {x}",
            "vfmadd231ps {d}, {x}, {x}", "vfmadd231ps {e}, {x}, {x}", "vfmadd231ps {f}, {x}, {x}",
            "vfmadd231ps {g}, {x}, {x}", "vfmadd231ps {h}, {x}, {x}", "vfmadd231ps {i}, {x}, {x}",
            "vfmadd231ps {j}, {x}, {x}", "vfmadd231ps {k}, {x}, {x}", "vfmadd231ps {l}, {x}, {x}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = in(ymm_reg) zero,
            a = inout(ymm_reg) zero => _, b = inout(ymm_reg) zero => _, c = inout(ymm_reg) zero => _,
            d = inout(ymm_reg) zero => _, e = inout(ymm_reg) zero => _, f = inout(ymm_reg) zero => _,
            g = inout(ymm_reg) zero => _, h = inout(ymm_reg) zero => _, i = inout(ymm_reg) zero => _,
            j = inout(ymm_reg) zero => _, k = inout(ymm_reg) zero => _, l = inout(ymm_reg) zero => _,
            options(nomem, nostack),
        );
    }
}

/// Without fused multiply-adds the peak is that of six multiplications beside six additions; counted as 12 chains of
/// one operation each, twice a round.
#[cfg(target_arch = "x86_64")]
unsafe fn mul_add_128(rounds: u64) {
    use std::arch::x86_64::{__m128, _mm_set1_ps};
    // SAFETY: SSE is part of x86-64; only registers are used, all declared.
    unsafe {
        let zero: __m128 = _mm_set1_ps(0.0);
        std::arch::asm!(
            "2:",
            "mulps {a}, {x}", "addps {b}, {x}", "mulps {c}, {x}", "addps {d}, {x}", "mulps {e}, {x}", "addps {f}, {x}",
            "mulps {g}, {x}", "addps {h}, {x}", "mulps {i}, {x}", "addps {j}, {x}", "mulps {k}, {x}", "addps {l}, {x}",
            "mulps {a}, {x}", "addps {b}, {x}", "mulps {c}, {x}", "addps {d}, {x}", "mulps {e}, {x}", "addps {f}, {x}",
            "mulps {g}, {x}", "addps {h}, {x}", "mulps {i}, {x}", "addps {j}, {x}", "mulps {k}, {x}", "addps {l}, {x}",
            "dec {n}", "jnz 2b",
            n = inout(reg) rounds => _, x = in(xmm_reg) zero,
            a = inout(xmm_reg) zero => _, b = inout(xmm_reg) zero => _, c = inout(xmm_reg) zero => _,
            d = inout(xmm_reg) zero => _, e = inout(xmm_reg) zero => _, f = inout(xmm_reg) zero => _,
            g = inout(xmm_reg) zero => _, h = inout(xmm_reg) zero => _, i = inout(xmm_reg) zero => _,
            j = inout(xmm_reg) zero => _, k = inout(xmm_reg) zero => _, l = inout(xmm_reg) zero => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(test)]
mod tests {
    use cnnc_tensor::Isa;

    #[test]
    fn the_peak_is_measured() {
        if let Some(peak) = super::measure_peak_gflops(1) {
            assert!((1.0..10_000.0).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn multiply_adds_of_a_cycle_are_one_or_two_on_processors_of_today() {
        for isa in [Isa::X86V3, Isa::X86V4] {
            if let Some(started) = super::measure_multiply_adds(isa) {
                assert!((1..=4).contains(&started), "{started}");
            }
        }
        assert_eq!(super::measure_multiply_adds(Isa::X86V2), None);
    }
}
