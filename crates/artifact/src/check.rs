//! Checks that a plan stays inside its memory: what makes it safe to run one that was read from a file.
//!
//! After [`check_plan`] every index is in range, every buffer lies inside its area, every entry point lies inside the
//! code, and no size is beyond what an address space holds. Machine code itself is trusted.

use crate::{Io, Place, Plan};

/// Most bytes of an arena or a scratch area: 64 TiB, half the user's part of a 47-bit address space.
const MOST_BYTES: u64 = 1 << 46;
/// Most threads.
const MOST_THREADS: u32 = 1 << 16;

/// Checks a plan against the length of its code and the ranges (offset, length) of the constants area that hold
/// constants. The message names what is wrong.
pub fn check_plan(plan: &Plan, code_bytes: u64, constants: &[(u64, u64)]) -> Result<(), String> {
    let mut constants = constants.to_vec();
    constants.sort_unstable();
    if plan.arena_bytes > MOST_BYTES || plan.scratch_bytes > MOST_BYTES {
        return Err(format!("arena of {} and scratch of {} bytes", plan.arena_bytes, plan.scratch_bytes));
    }
    if plan.threads > MOST_THREADS {
        return Err(format!("{} threads", plan.threads));
    }
    if plan.kernels.len() != plan.entries.len() {
        return Err(format!("{} kernel names and {} entry points", plan.kernels.len(), plan.entries.len()));
    }
    for (name, &entry) in plan.kernels.iter().zip(&plan.entries) {
        if entry >= code_bytes {
            return Err(format!("entry point of kernel {name} lies outside the code"));
        }
    }
    if let Some(layer) = plan.layers.iter().find(|l| !l.flops.is_finite() || l.flops < 0.0) {
        return Err(format!("layer {} counts {} operations", layer.name, layer.flops));
    }
    let sizes = |kind: &str, list: &[Io]| -> Result<Vec<u64>, String> {
        let size = |io: &Io| io.bytes().ok_or_else(|| format!("{kind} {io}: unknown element type or too large"));
        list.iter().map(size).collect()
    };
    let areas = Areas {
        arena: plan.arena_bytes,
        constants: &constants,
        inputs: &sizes("input", &plan.inputs)?,
        outputs: &sizes("output", &plan.outputs)?,
    };
    for output in &plan.outputs {
        if let Some(extent) = output.extent
            && (output.dims.is_empty() || matches!(extent, Place::Constant(_)) || !areas.hold(extent, 8))
        {
            return Err(format!("output {output}: its extent has no place"));
        }
    }
    for (k, step) in plan.steps.iter().enumerate() {
        let Some(layer) = plan.layers.get(step.layer as usize) else {
            return Err(format!("step {k} is of layer {}, of {}", step.layer, plan.layers.len()));
        };
        if step.kernel as usize >= plan.entries.len() {
            return Err(format!("step {k} ({}) calls kernel {}, of {}", layer.name, step.kernel, plan.entries.len()));
        }
        if i64::try_from(step.extent).is_err() {
            return Err(format!("step {k} ({}) has extent {}", layer.name, step.extent));
        }
        if let Some((place, bytes)) = step.args.iter().find(|(place, bytes)| !areas.hold(*place, *bytes)) {
            return Err(format!("step {k} ({}): {bytes} bytes at {place:?} lie outside", layer.name));
        }
    }
    Ok(())
}

/// Sizes of the areas that a place can be in.
struct Areas<'a> {
    arena: u64,
    /// Ranges (offset, length), ascending.
    constants: &'a [(u64, u64)],
    inputs: &'a [u64],
    outputs: &'a [u64],
}

impl Areas<'_> {
    /// Whether `bytes` from a place on lie inside its area.
    fn hold(&self, place: Place, bytes: u64) -> bool {
        let inside = |at: u64, size: u64| at.checked_add(bytes).is_some_and(|end| end <= size);
        match place {
            Place::Arena(at) => inside(at, self.arena),
            Place::Input(k, at) => self.inputs.get(k as usize).is_some_and(|&size| inside(at, size)),
            Place::Output(k, at) => self.outputs.get(k as usize).is_some_and(|&size| inside(at, size)),
            Place::Constant(at) => {
                let after = self.constants.partition_point(|&(start, _)| start <= at);
                after > 0 && inside(at - self.constants[after - 1].0, self.constants[after - 1].1)
            }
        }
    }
}
