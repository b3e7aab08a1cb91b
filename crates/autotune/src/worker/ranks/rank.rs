//! Another rank, as the first one sees it.

use super::message::{Able, Done, Order};
use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Processes of a rank that are given work at most.
const MOST_COMPILERS: usize = 1024;

/// Another rank. Once it is lost it gets no orders any more.
#[derive(Debug)]
pub struct Rank {
    number: usize,
    host: String,
    able: Able,
    orders: Sender<(usize, Order)>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Who waits for which ticket.
    There(HashMap<u64, Sender<Done>>),
    /// There is nothing more to do.
    Dismissed,
    /// It does not answer.
    Lost,
}

impl Rank {
    pub(super) fn new(number: usize, host: String, able: Able, orders: Sender<(usize, Order)>) -> Rank {
        Rank { number, host, able, orders, state: Mutex::new(State::There(HashMap::new())) }
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The name of its machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it can do.
    pub fn able(&self) -> &Able {
        &self.able
    }

    /// Its processes that compile, of which it has one.
    pub(in crate::worker) fn compilers(&self) -> usize {
        self.able.compilers.clamp(1, MOST_COMPILERS)
    }

    /// Whether it takes orders.
    pub fn is_there(&self) -> bool {
        matches!(*self.state(), State::There(_))
    }

    /// Whether it has not answered.
    pub fn is_lost(&self) -> bool {
        matches!(*self.state(), State::Lost)
    }

    /// Gives an order, and waits for what becomes of it. A rank that does not answer in time is lost: `None` then, and
    /// from then on.
    pub(in crate::worker) fn ask(&self, ticket: u64, order: Order, limit: Duration) -> Option<Done> {
        let (sender, answer) = channel();
        match &mut *self.state() {
            State::There(waiting) => waiting.insert(ticket, sender),
            State::Dismissed | State::Lost => return None,
        };
        let sent = self.orders.send((self.number, order)).is_ok();
        let done = if sent { answer.recv_timeout(limit).ok() } else { None };
        if done.is_none() {
            self.lose();
        }
        done
    }

    /// Lets it remove an artifact.
    pub(in crate::worker) fn forget(&self, artifact: u64) {
        // A rank that is gone has nothing any more.
        let _ = self.orders.send((self.number, Order::Forget { artifact }));
    }

    /// Passes on what has become of a job.
    pub(super) fn answers(&self, done: Done) {
        if let State::There(waiting) = &mut *self.state()
            && let Some(asker) = waiting.remove(&done.ticket)
        {
            // Who asked may have given up.
            let _ = asker.send(done);
        }
    }

    /// Gives it no orders any more, and nobody who waits for it an answer.
    pub(in crate::worker) fn dismiss(&self) {
        let mut state = self.state();
        if let State::There(_) = *state {
            *state = State::Dismissed;
        }
    }

    /// Takes it for lost.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        if let State::There(_) = *state {
            *state = State::Lost;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
