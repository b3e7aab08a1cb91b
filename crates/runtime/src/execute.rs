//! Execution of a plan by the threads of a session.
//!
//! All threads go through the calls in order. The first thread also runs what is not worth sharing; between two such
//! calls there is no barrier. The others are shared evenly, and who is done early takes over a part of the others' rest
//! (see [`Shares`]).

use crate::barrier::Barrier;
use crate::float_mode::KernelMode;
use crate::memory::Pages;
use crate::model::Kernel;
use crate::profile::{Span, Timeline};
use crate::shares::Shares;
use crate::{Model, RuntimeError};
use cnnc_artifact::{Place, Plan};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A step that touches fewer bytes than this, with fewer operations than `SMALL_FLOPS`, is not shared among threads:
/// it takes about as long as a barrier.
const SMALL_BYTES: u64 = 16 << 10;
const SMALL_FLOPS: f64 = 1e5;

/// A step, made ready.
#[derive(Debug)]
struct Call {
    kernel: Kernel,
    /// Index of its first buffer pointer.
    pointers: usize,
    extent: i64,
    /// Only the first thread runs it.
    alone: bool,
    /// The threads wait for each other before it.
    barrier: bool,
}

/// What changes from run to run. Written by the caller while the workers wait, read by all threads during a run.
#[derive(Debug)]
struct Job {
    /// Buffer pointers of all calls, one after the other.
    pointers: Vec<*mut u8>,
    /// The calls of this run.
    calls: Range<usize>,
    /// Where to record times, or null.
    spans: *mut Span,
    start: Instant,
}

/// What the threads of a session share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) model: Arc<Model>,
    pub(crate) threads: usize,
    barrier: Barrier,
    shares: Shares,
    stop: AtomicBool,
    calls: Vec<Call>,
    /// Pointers that are set anew in every run: index and place.
    external: Vec<(usize, Place)>,
    job: UnsafeCell<Job>,
    arena: *mut u8,
    scratch: *mut u8,
    scratch_stride: usize,
    /// Owners of `arena` and `scratch`.
    _memory: [Pages; 2],
}

// SAFETY: `job` is written only by the caller of `run`, who holds the session exclusively, and only while all workers
// wait at the barrier that begins a run; arena and scratch are accessed by kernels, whose iterations are independent.
unsafe impl Sync for Shared {}
// SAFETY: nothing in it belongs to a thread; the raw pointers point into `_memory`, the model, and a caller's buffers.
unsafe impl Send for Shared {}

impl Shared {
    pub(crate) fn new(model: Arc<Model>, barrier: Barrier, threads: usize) -> Result<Shared, RuntimeError> {
        let plan = model.plan();
        let mut arena = Pages::new(plan.arena_bytes, "the arena")?;
        // A page apart, so that no two threads share a cache line.
        let scratch_stride = plan.scratch_bytes.next_multiple_of(4096).max(4096);
        let mut scratch = Pages::new(scratch_stride.saturating_mul(threads as u64), "scratch")?;
        let (arena_pointer, scratch_pointer) = (arena.as_mut_ptr(), scratch.as_mut_ptr());
        let (mut calls, mut pointers, mut external) = (vec![], vec![], vec![]);
        for step in &plan.steps {
            let alone = runs_alone(plan, step);
            let barrier = calls.last().is_some_and(|before: &Call| !(alone && before.alone));
            let (kernel, first) = (model.kernel(step.kernel), pointers.len());
            calls.push(Call { kernel, pointers: first, extent: step.extent as i64, alone, barrier });
            for &(place, _) in &step.args {
                pointers.push(match place {
                    Place::Arena(at) => arena_pointer.wrapping_add(at as usize),
                    Place::Constant(at) => model.constant(at).cast_mut(),
                    Place::Input(..) | Place::Output(..) => {
                        external.push((pointers.len(), place));
                        std::ptr::null_mut()
                    }
                });
            }
        }
        Ok(Shared {
            threads,
            barrier,
            shares: Shares::new(threads),
            stop: AtomicBool::new(false),
            calls,
            external,
            job: UnsafeCell::new(Job { pointers, calls: 0..0, spans: std::ptr::null_mut(), start: Instant::now() }),
            arena: arena_pointer,
            scratch: scratch_pointer,
            scratch_stride: scratch_stride as usize,
            _memory: [arena, scratch],
            model,
        })
    }

    /// Runs some calls of the plan, with the caller as the first thread.
    ///
    /// # Safety
    /// The caller holds the session exclusively, the buffers have the sizes that the plan says, the calls are of the
    /// plan, and the timeline has room for all calls of the plan.
    pub(crate) unsafe fn run(
        &self,
        calls: Range<usize>,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        timeline: Option<&mut Timeline>,
    ) {
        {
            // SAFETY: the workers wait at the barrier below, so nobody else has a reference.
            let job = unsafe { &mut *self.job.get() };
            for &(index, place) in &self.external {
                job.pointers[index] = match place {
                    Place::Input(k, at) => inputs[k as usize].as_ptr().cast_mut().wrapping_add(at as usize),
                    Place::Output(k, at) => outputs[k as usize].as_mut_ptr().wrapping_add(at as usize),
                    Place::Arena(_) | Place::Constant(_) => continue,
                };
            }
            job.calls = calls;
            job.spans = timeline.map_or(std::ptr::null_mut(), Timeline::as_mut_ptr);
            job.start = Instant::now();
        }
        self.wait();
        // SAFETY: the job is complete, and the barrier made it visible to all.
        unsafe { self.execute(0) };
        self.wait();
    }

    /// What a worker does until the session ends.
    pub(crate) fn work(&self, thread: usize) {
        let _mode = KernelMode::enter();
        loop {
            self.barrier.wait();
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: `run` completed the job before it crossed the barrier.
            unsafe { self.execute(thread) };
            self.barrier.wait();
        }
    }

    /// Ends the workers, on behalf of `missing` threads that will not come to the barrier.
    pub(crate) fn stop(&self, missing: usize) {
        self.stop.store(true, Ordering::Relaxed);
        for _ in 0..missing {
            self.barrier.arrive();
        }
    }

    fn wait(&self) {
        if self.threads > 1 {
            self.barrier.wait();
        }
    }

    /// A thread's part of all steps.
    ///
    /// # Safety
    /// The job is complete and does not change until all threads have returned.
    unsafe fn execute(&self, thread: usize) {
        // SAFETY: see above; shared references only.
        let job = unsafe { &*self.job.get() };
        let scratch = self.scratch.wrapping_add(thread * self.scratch_stride);
        for k in job.calls.clone() {
            let call = &self.calls[k];
            if call.barrier && k > job.calls.start {
                self.wait();
            }
            if call.alone && thread > 0 {
                continue;
            }
            let clock = if job.spans.is_null() { 0 } else { job.start.elapsed().as_nanos() as u64 };
            let mut worked = false;
            let mut run = |begin: i64, end: i64| {
                worked = true;
                // SAFETY: the plan was checked: the pointers are those of the call's buffers, which have the sizes
                // that it says, and the scratch area is large enough. The kernel itself is trusted.
                unsafe { (call.kernel)(job.pointers.as_ptr().add(call.pointers), begin, end, scratch) };
            };
            if !call.alone && self.threads > 1 {
                self.shares.run(thread, call.extent, &mut run);
            } else if call.extent > 0 {
                run(0, call.extent);
            }
            if worked && !job.spans.is_null() {
                let span = Span { begin: clock, end: job.start.elapsed().as_nanos() as u64 };
                // SAFETY: the timeline has a span for every thread and step; this one is this thread's alone.
                unsafe { job.spans.add(thread * self.calls.len() + k).write(span) };
            }
        }
    }

    /// The i64 at a place after a run.
    pub(crate) fn read_extent(&self, place: Place, inputs: &[&[u8]], outputs: &[&mut [u8]]) -> i64 {
        let from = |bytes: &[u8], at: u64| {
            let bytes = bytes.get(at as usize..).and_then(|b| b.first_chunk::<8>());
            bytes.map_or(0, |b| i64::from_le_bytes(*b))
        };
        match place {
            // SAFETY: the checked plan's place and the 8 bytes from it on lie inside the arena; no thread is running.
            Place::Arena(at) => unsafe { self.arena.add(at as usize).cast::<i64>().read_unaligned() },
            Place::Input(k, at) => from(inputs[k as usize], at),
            Place::Output(k, at) => from(outputs[k as usize], at),
            Place::Constant(_) => 0,
        }
    }
}

fn runs_alone(plan: &Plan, step: &cnnc_artifact::Step) -> bool {
    let bytes: u64 = step.args.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let flops = plan.layers[step.layer as usize].flops;
    step.extent <= 1 || step.extent > u64::from(u32::MAX) || (bytes < SMALL_BYTES && flops < SMALL_FLOPS)
}
