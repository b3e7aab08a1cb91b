//! One layer of a network alone, again and again: what its kernels take apart from the network around them.
//!
//! The layer works on whatever the last run left in the session's memory, and leaves its result there; a whole run
//! afterwards computes everything anew. Its operands and results are warm from the call before, on each thread those
//! that it worked on; the weights stay where they are or are flushed from every cache.

use crate::{RuntimeError, Session, Timeline};
use cnnc_artifact::{Place, Plan};
use std::ops::Range;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;
use std::time::Duration;

/// Where the weights (and all other constants) of a layer are when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Where the call before has left them: in the caches, as far as they fit.
    Warm,
    /// In memory, and in no cache.
    Cold,
}

impl Session {
    /// Runs the steps of one layer of the plan and returns their time: of each step from the first thread's begin to
    /// the last one's end, added up. Call it once before what counts, so that the activations are warm. A layer without
    /// steps takes no time.
    pub fn run_layer(
        &mut self,
        layer: usize,
        weights: Weights,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        timeline: &mut Timeline,
    ) -> Result<Duration, RuntimeError> {
        let model = self.model().clone();
        let plan = model.plan();
        let steps = steps_of(plan, layer);
        if weights == Weights::Cold {
            for (place, bytes) in plan.steps[steps.clone()].iter().flat_map(|step| &step.args) {
                if let Place::Constant(at) = *place {
                    flush(model.constant(at), *bytes);
                }
            }
        }
        timeline.fit(self.threads(), plan.steps.len());
        self.run_steps(steps.clone(), inputs, outputs, Some(timeline))?;
        Ok(steps.map(|step| timeline.step(step)).sum())
    }
}

/// The steps of a layer; they stand one after the other.
fn steps_of(plan: &Plan, layer: usize) -> Range<usize> {
    let is_its = |step: &cnnc_artifact::Step| step.layer as usize == layer;
    let first = plan.steps.iter().position(is_its).unwrap_or(0);
    first..first + plan.steps[first..].iter().take_while(|step| is_its(step)).count()
}

/// Takes the cache lines of a piece of memory out of all caches of the machine: where the processor can, many at a time,
/// which takes 3 ns a line on Cascade Lake instead of 150.
#[cfg(target_arch = "x86_64")]
fn flush(start: *const u8, bytes: u64) {
    use std::arch::x86_64::{_mm_clflush, _mm_mfence};
    const LINE: usize = 64;
    let lines = (0..bytes as usize).step_by(LINE).map(|at| start.wrapping_add(at));
    // SAFETY: the checked plan's place lies inside the constants; flushing changes no content.
    unsafe {
        if flushes_many() {
            lines.for_each(|line| std::arch::asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags)));
        } else {
            lines.for_each(|line| _mm_clflush(line));
        }
        _mm_mfence();
    }
}

/// Whether lines can be flushed without waiting for each.
#[cfg(target_arch = "x86_64")]
fn flushes_many() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & (1 << 23) != 0)
}

#[cfg(not(target_arch = "x86_64"))]
fn flush(_: *const u8, _: u64) {}
