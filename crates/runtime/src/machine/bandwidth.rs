//! Read bandwidth of the levels of memory.

use super::Bandwidth;
use crate::memory::Pages;
use cnnc_tensor::Isa;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Bytes that are read by one turn of the loop.
const TURN: usize = 512;
/// How long a level is read.
const TIME: Duration = Duration::from_millis(60);

/// Bandwidth of levels 1 to 3 and of memory, on one thread and on so many. Sizes of the caches in bytes; where one is
/// 0, a common size is taken.
pub(super) fn measure(isa: Isa, caches: [usize; 3], threads: usize) -> Vec<Bandwidth> {
    let size = |k: usize, usual: usize| if caches[k] > 0 { caches[k] } else { usual };
    let (l1, l2, l3) = (size(0, 32 << 10), size(1, 1 << 20), size(2, 16 << 20));
    // The last-level cache is shared, on rented machines with strangers: a quarter of it is likely to be ours.
    let levels = [
        ("L1", l1 / 2, l1 / 2),
        ("L2", l2 / 2, l2 / 2),
        ("L3", (l3 / 4).max(2 * l2), (l3 / 4 / threads.max(1)).max(2 * l2)),
        ("memory", memory_bytes(l3), memory_bytes(l3) / threads.max(1)),
    ];
    levels
        .map(|(level, one, all)| Bandwidth {
            level: level.into(),
            one: rate(isa, one, 1),
            all: rate(isa, all, threads),
        })
        .into()
}

/// Enough that little of it is found in the last-level cache.
fn memory_bytes(l3: usize) -> usize {
    (4 * l3).clamp(64 << 20, 1 << 30)
}

/// GB/s of threads that read that many bytes each, at once.
fn rate(isa: Isa, bytes: usize, threads: usize) -> f64 {
    let together = Barrier::new(threads);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| read_again(isa, bytes, &together))).collect();
        let own = read_again(isa, bytes, &together);
        own + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// GB/s of one thread: the median over passes of a buffer, small ones several at a time.
fn read_again(isa: Isa, bytes: usize, together: &Barrier) -> f64 {
    let bytes = (bytes / TURN).max(1) * TURN;
    let buffer = Pages::new(bytes as u64, "the measurement of bandwidth").ok();
    let start = buffer.map(|mut pages| {
        let start = pages.as_mut_ptr();
        // SAFETY: the pages have that many bytes. Written, so that each page is memory of its own.
        unsafe { start.write_bytes(1, bytes) };
        (pages, start)
    });
    together.wait();
    let Some((_pages, start)) = start else { return 0.0 };
    let passes = ((1 << 20) / bytes).max(1);
    let mut rates = vec![];
    let begin = Instant::now();
    while begin.elapsed() < TIME || rates.len() < 3 {
        let now = Instant::now();
        for _ in 0..passes {
            read(isa, start, bytes);
        }
        rates.push((passes * bytes) as f64 / now.elapsed().as_secs_f64() * 1e-9);
    }
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Reads a buffer of a multiple of [`TURN`] bytes in vectors.
#[cfg(target_arch = "x86_64")]
fn read(isa: Isa, start: *const u8, bytes: usize) {
    // SAFETY: the machine has the instruction set, and every load lies in the buffer.
    unsafe {
        match isa {
            Isa::X86V4 => read_512(start, bytes / TURN),
            Isa::X86V3 => read_256(start, bytes / TURN),
            Isa::X86V2 => read_128(start, bytes / TURN),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn read(_: Isa, start: *const u8, bytes: usize) {
    for at in (0..bytes).step_by(64) {
        // SAFETY: the byte lies in the buffer.
        unsafe { start.wrapping_add(at).read_volatile() };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn read_512(start: *const u8, turns: usize) {
    // SAFETY: reads 512 bytes a turn; registers are declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vmovups {a}, [{p}]", "vmovups {b}, [{p} + 64]", "vmovups {c}, [{p} + 128]", "vmovups {d}, [{p} + 192]",
            "vmovups {a}, [{p} + 256]", "vmovups {b}, [{p} + 320]", "vmovups {c}, [{p} + 384]",
            "vmovups {d}, [{p} + 448]",
            "add {p}, 512", "dec {n}", "jnz 2b",
            p = inout(reg) start => _, n = inout(reg) turns => _,
            a = out(zmm_reg) _, b = out(zmm_reg) _, c = out(zmm_reg) _, d = out(zmm_reg) _,
            options(readonly, nostack),
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn read_256(start: *const u8, turns: usize) {
    // SAFETY: reads 512 bytes a turn; registers are declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vmovups {a}, [{p}]", "vmovups {b}, [{p} + 32]", "vmovups {c}, [{p} + 64]", "vmovups {d}, [{p} + 96]",
            "vmovups {a}, [{p} + 128]", "vmovups {b}, [{p} + 160]", "vmovups {c}, [{p} + 192]",
            "vmovups {d}, [{p} + 224]", "vmovups {a}, [{p} + 256]", "vmovups {b}, [{p} + 288]",
            "vmovups {c}, [{p} + 320]", "vmovups {d}, [{p} + 352]", "vmovups {a}, [{p} + 384]",
            "vmovups {b}, [{p} + 416]", "vmovups {c}, [{p} + 448]", "vmovups {d}, [{p} + 480]",
            "add {p}, 512", "dec {n}", "jnz 2b",
            p = inout(reg) start => _, n = inout(reg) turns => _,
            a = out(ymm_reg) _, b = out(ymm_reg) _, c = out(ymm_reg) _, d = out(ymm_reg) _,
            options(readonly, nostack),
        );
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn read_128(start: *const u8, turns: usize) {
    // SAFETY: reads 512 bytes a turn, 128 at a time; registers are declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "movups {a}, [{p}]", "movups {b}, [{p} + 16]", "movups {c}, [{p} + 32]", "movups {d}, [{p} + 48]",
            "movups {a}, [{p} + 64]", "movups {b}, [{p} + 80]", "movups {c}, [{p} + 96]", "movups {d}, [{p} + 112]",
            "add {p}, 128", "dec {n}", "jnz 2b",
            p = inout(reg) start => _, n = inout(reg) 4 * turns => _,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(readonly, nostack),
        );
    }
}
