//! The target that candidates are made for: this machine, as far as it has been measured.

use cnnc_codegen::Backend;
use cnnc_compiler::detect_target;
use cnnc_runtime::machine::Machine;
use cnnc_tensor::{Ceilings, Isa, Target};

/// This machine as a target, with the ceilings that were measured of it before, if they were.
pub fn target_here(isa: Isa, backend: Backend, threads: usize) -> Target {
    let mut target = detect_target(isa, backend, threads);
    apply_ceilings(&mut target, Machine::cached().as_ref());
    target
}

/// Gives a target the ceilings that `cnnc machine` has measured here, if it has, and the usual terms of costs that go
/// with them; nothing is measured now.
pub fn apply_ceilings(target: &mut Target, machine: Option<&Machine>) {
    if let Some(measured) = machine.and_then(|machine| machine.ceilings(target.isa, target.threads)) {
        // Narrower vectors than the instruction set has are started at their own rate.
        let narrow = target.lanes < target.isa.lanes();
        let multiply_adds = if narrow { target.ceilings.multiply_adds } else { measured.multiply_adds };
        *target = target.clone().with_ceilings(Ceilings { multiply_adds, ..measured });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_runtime::machine::{Bandwidth, Peak};
    use cnnc_tensor::Calibration;

    #[test]
    fn the_usual_terms_are_those_of_the_measured_core() {
        let bandwidths =
            ["L1", "L2", "L3", "memory"].map(|level| Bandwidth { level: level.into(), one: 50.0, all: 50.0 });
        let machine = |multiply_adds| Machine {
            fingerprint: String::new(),
            processor: String::new(),
            processors: 1,
            cache_bytes: [0; 3],
            clock_mhz: 3_000.0,
            peaks: vec![Peak {
                isa: Isa::X86V4.name().into(),
                one: 96.0,
                all: 96.0,
                multiply_adds: Some(multiply_adds),
            }],
            bandwidths: bandwidths.to_vec(),
            fork_join_us: 1.0,
        };
        for (multiply_adds, clock) in [(1, 3_000), (2, 1_500)] {
            let mut target = Target::of(Isa::X86V4);
            apply_ceilings(&mut target, Some(&machine(multiply_adds)));
            assert_eq!((target.ceilings.multiply_adds, target.ceilings.clock), (multiply_adds, clock));
            assert_eq!(target.calibration, Calibration::of(16, multiply_adds));
            // Vectors of 128 bits are started at their own rate, and have their own terms.
            let mut narrow = Target::of(Isa::X86V4).narrow();
            let before = narrow.calibration;
            apply_ceilings(&mut narrow, Some(&machine(multiply_adds)));
            assert_eq!((narrow.ceilings.multiply_adds, narrow.calibration), (2, before));
        }
    }
}
