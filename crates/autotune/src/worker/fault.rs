//! Faults that tests plant in a worker: what happens to a candidate whose code generator or machine code misbehaves.
//!
//! For tests only. The environment variable [`PLANT`] of the worker holds faults, separated by `;`, each of the form
//! `STAGE:KIND:TEXT`: at STAGE (`compile`, `measure`) a candidate whose text contains TEXT crashes (`abort`, `segv`),
//! never ends (`loop`), allocates without end (`memory`), or, when measured, computes wrong numbers (`wrong`).

/// Name of the environment variable.
pub const PLANT: &str = "CNNC_PLANT_FAULT";

/// Where a candidate is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Compile,
    Measure,
}

/// Misbehaves as planted for a candidate; whether it is to compute wrong numbers.
pub(super) fn misbehave(stage: Stage, candidate: &str) -> bool {
    let Ok(plants) = std::env::var(PLANT) else { return false };
    let mut wrong = false;
    for plant in plants.split(';') {
        let mut parts = plant.splitn(3, ':');
        let (Some(at), Some(kind), Some(text)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let here = at == if stage == Stage::Compile { "compile" } else { "measure" };
        if here && candidate.contains(text) {
            match kind {
                "abort" => std::process::abort(),
                "segv" => segmentation_fault(),
                "loop" => loop {
                    std::hint::spin_loop();
                },
                "memory" => allocate_without_end(),
                "wrong" => wrong = true,
                _ => {}
            }
        }
    }
    wrong
}

fn segmentation_fault() {
    // SAFETY: the signal's default action ends the process, as an access outside of memory would.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::raise(libc::SIGSEGV);
    }
}

fn allocate_without_end() {
    let mut blocks: Vec<Vec<u8>> = vec![];
    loop {
        blocks.push(vec![1; 16 << 20]);
        std::hint::black_box(&blocks);
    }
}
