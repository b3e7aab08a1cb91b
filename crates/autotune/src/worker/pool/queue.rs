//! A queue of jobs.

use super::job::Work;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Length of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that a worker is at.
    pub running: usize,
}

/// Jobs that wait for a worker.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(u64, Work)>,
    running: usize,
    closed: bool,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, ticket: u64, work: Work) {
        self.lock().waiting.push_back((ticket, work));
        // Not every worker takes it.
        self.changed.notify_all();
    }

    /// The next job that suits, once there is one; `None` when the queue is closed.
    pub(super) fn take(&self, suits: impl Fn(&Work) -> bool) -> Option<(u64, Work)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let at = state.waiting.iter().position(|(_, work)| suits(work));
            if let Some(job) = at.and_then(|at| state.waiting.remove(at)) {
                state.running += 1;
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job that was taken is done.
    pub(super) fn done(&self) {
        self.lock().running -= 1;
    }

    /// A job that was taken is not done, and waits again before all others.
    pub(super) fn put_back(&self, ticket: u64, work: Work) {
        let mut state = self.lock();
        state.running -= 1;
        if !state.closed {
            state.waiting.push_front((ticket, work));
        }
        self.changed.notify_all();
    }

    /// Gives up what waits: the tickets.
    pub(super) fn clear(&self) -> Vec<u64> {
        self.lock().waiting.drain(..).map(|(ticket, _)| ticket).collect()
    }

    /// Ends the queue, and gives up what waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    pub(super) fn length(&self) -> Queue {
        let state = self.lock();
        Queue { waiting: state.waiting.len(), running: state.running }
    }
}
