//! Times of a run: when each thread worked on each step.

use std::time::Duration;

/// A thread's work on a step, in nanoseconds since the run began. Both are 0 where the thread had no part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

/// When each thread worked on each step of a run.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    threads: usize,
    steps: usize,
    /// Thread by thread, step by step.
    spans: Vec<Span>,
}

impl Timeline {
    /// An empty timeline. One that is used again allocates nothing.
    pub fn new() -> Timeline {
        Timeline::default()
    }

    /// Makes room, and forgets what was recorded.
    pub(crate) fn fit(&mut self, threads: usize, steps: usize) {
        (self.threads, self.steps) = (threads, steps);
        self.spans.clear();
        self.spans.resize(threads * steps, Span::default());
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut Span {
        self.spans.as_mut_ptr()
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// When a thread began and ended its part of a step, since the run began; `None` where it had none.
    pub fn span(&self, thread: usize, step: usize) -> Option<(Duration, Duration)> {
        let span = self.spans.get(thread.checked_mul(self.steps)?.checked_add(step)?)?;
        (span.end > 0).then(|| (Duration::from_nanos(span.begin), Duration::from_nanos(span.end)))
    }

    /// Time of a step: from the first thread's begin to the last one's end.
    pub fn step(&self, step: usize) -> Duration {
        let spans = || (0..self.threads).filter_map(|t| self.span(t, step));
        let begin = spans().map(|s| s.0).min().unwrap_or_default();
        spans().map(|s| s.1).max().unwrap_or_default().saturating_sub(begin)
    }
}
