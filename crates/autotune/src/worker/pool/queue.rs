//! Jobs that wait: compilations and measurements, each kind in its own order.
//!
//! A compilation takes several times as long as a measurement of a layer of usual size, so who measures would have nothing
//! to do for most of the time: while no measurement waits for it, it may compile.

use super::job::{Kind, Work};
use crate::worker::ranks::Rank;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Length of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that a worker is at.
    pub running: usize,
}

/// What a worker does, the first it finds: `&[Kind::Measure, Kind::Compile]` compiles where nothing is to be measured.
pub(super) type Duties = &'static [Kind];

/// Jobs that wait for a worker.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    compiling: Line,
    measuring: Line,
    closed: bool,
}

/// Jobs of one kind.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u64, Work)>,
    running: usize,
}

impl State {
    fn line(&mut self, kind: Kind) -> &mut Line {
        match kind {
            Kind::Compile => &mut self.compiling,
            Kind::Measure => &mut self.measuring,
        }
    }
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, ticket: u64, work: Work) {
        self.lock().line(work.kind()).waiting.push_back((ticket, work));
        // Not every worker takes it.
        self.changed.notify_all();
    }

    /// The next job of a worker of a rank, or of this one, once there is one; `None` when the queue is closed.
    pub(super) fn take(&self, duties: Duties, rank: Option<&Arc<Rank>>) -> Option<(u64, Work)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            for &kind in duties {
                let line = state.line(kind);
                let at = line.waiting.iter().position(|(_, work)| work.is_for(rank));
                if let Some(job) = at.and_then(|at| line.waiting.remove(at)) {
                    line.running += 1;
                    return Some(job);
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job that was taken is done.
    pub(super) fn done(&self, kind: Kind) {
        self.lock().line(kind).running -= 1;
    }

    /// A job that was taken is not done, and waits again before all others.
    pub(super) fn put_back(&self, ticket: u64, work: Work) {
        let mut state = self.lock();
        let closed = state.closed;
        let line = state.line(work.kind());
        line.running -= 1;
        if !closed {
            line.waiting.push_front((ticket, work));
        }
        self.changed.notify_all();
    }

    /// Gives up what waits: the tickets.
    pub(super) fn clear(&self) -> Vec<u64> {
        let mut state = self.lock();
        let State { compiling, measuring, .. } = &mut *state;
        compiling.waiting.drain(..).chain(measuring.waiting.drain(..)).map(|(ticket, _)| ticket).collect()
    }

    /// Ends the queue, and gives up what waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.compiling.waiting.clear();
        state.measuring.waiting.clear();
        self.changed.notify_all();
    }

    pub(super) fn length(&self, kind: Kind) -> Queue {
        let mut state = self.lock();
        let line = state.line(kind);
        Queue { waiting: line.waiting.len(), running: line.running }
    }
}
