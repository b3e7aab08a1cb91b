//! The target that candidates are made for: this machine, as far as it has been measured.

use cnnc_codegen::Backend;
use cnnc_compiler::detect_target;
use cnnc_runtime::machine::Machine;
use cnnc_tensor::{Calibration, Ceilings, Isa, Target};

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
        target.ceilings = Ceilings { multiply_adds, ..measured };
        target.calibration = Calibration::of(target.lanes, multiply_adds);
    }
}
