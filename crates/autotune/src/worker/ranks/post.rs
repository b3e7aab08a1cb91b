//! The first rank's end of a transport, in a thread of its own: whoever has something for another rank leaves it there.

use super::message::{Hello, Order, Report};
use super::rank::Rank;
use super::{Crew, Place, Transport};
use crate::Setting;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the transport is asked whether something has come. Waiting in it would take a whole core.
pub(super) const POLL: Duration = Duration::from_millis(2);

/// Who presents itself: as a rank, or why it can do nothing.
pub(super) enum Arrival {
    Rank(Arc<Rank>),
    Unable { number: usize, host: String, why: String },
}

/// The post. When it is dropped the other ranks end.
pub struct Post {
    orders: Sender<(usize, Order)>,
    arrivals: Receiver<Arrival>,
    place: Place,
    /// Whether none of the others has failed to come.
    complete: bool,
    crew: Vec<Arc<Rank>>,
    thread: Option<JoinHandle<()>>,
}

impl Post {
    /// Opens a transport in a thread of its own, which nobody else needs to touch.
    pub fn start<T: Transport>(open: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<Post> {
        let (orders, inbox) = channel();
        let (outbox, arrivals) = channel();
        let (opened, place) = channel();
        let own = orders.clone();
        let thread = std::thread::Builder::new().name("post".into()).spawn(move || match open() {
            Ok(transport) => {
                let _ = opened.send(Ok(transport.place()));
                Carrier { transport, inbox, outbox, orders: own, ranks: HashMap::new() }.run();
            }
            Err(error) => drop(opened.send(Err(error))),
        })?;
        let place = place.recv().map_err(|_| io::Error::other("the ranks' transport has died"))??;
        Ok(Post { orders, arrivals, place, complete: true, crew: vec![], thread: Some(thread) })
    }

    /// Where this rank is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn others(&self) -> usize {
        self.place.ranks.saturating_sub(1)
    }

    /// Waits for the other ranks, for so long at most. Those that would work for another setting are refused.
    pub fn crew(&mut self, setting: &Setting, limit: Duration) -> Crew {
        let start = Instant::now();
        let mut crew = Crew::default();
        for come in 0..self.others() {
            let left = limit.saturating_sub(start.elapsed());
            let Ok(arrival) = self.arrivals.recv_timeout(left) else {
                crew.absent = self.others() - come;
                break;
            };
            crew.take(arrival, setting);
        }
        self.complete = crew.absent == 0;
        self.crew = crew.ranks.clone();
        crew
    }

    /// Lets the other ranks end: there is nothing more to do for them.
    pub fn end(&self) {
        // Number 0 is this rank, whose thread ends too; where it has ended before nobody is left.
        (1..=self.others()).chain([0]).for_each(|rank| drop(self.orders.send((rank, Order::End))));
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.end();
        let lost = self.crew.iter().any(|rank| rank.is_lost());
        // A transport ends when all of its ranks do, which a lost one may never.
        if let Some(thread) = self.thread.take().filter(|_| self.complete && !lost) {
            let _ = thread.join();
        }
    }
}

/// What the post's thread has.
struct Carrier<T> {
    transport: T,
    inbox: Receiver<(usize, Order)>,
    outbox: Sender<Arrival>,
    orders: Sender<(usize, Order)>,
    ranks: HashMap<usize, Arc<Rank>>,
}

impl<T: Transport> Carrier<T> {
    /// Carries until the end; where the transport breaks, all ranks are lost.
    fn run(mut self) {
        match self.carry() {
            Ok(()) => self.ranks.values().for_each(|rank| rank.dismiss()),
            Err(_) => self.ranks.values().for_each(|rank| rank.lose()),
        }
    }

    fn carry(&mut self) -> io::Result<()> {
        loop {
            let mut order = match self.inbox.recv_timeout(POLL) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            while let Some((to, what)) = order {
                if to == 0 {
                    return Ok(());
                }
                self.transport.send(to, &serde_json::to_vec(&what)?)?;
                order = self.inbox.try_recv().ok();
            }
            while let Some((from, line)) = self.transport.receive()? {
                self.deliver(from, &line);
            }
        }
    }

    fn deliver(&mut self, from: usize, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Report::Hello(Hello { host, able: Ok(able) })) => {
                let rank = Arc::new(Rank::new(from, host, able, self.orders.clone()));
                self.ranks.insert(from, rank.clone());
                let _ = self.outbox.send(Arrival::Rank(rank));
            }
            Ok(Report::Hello(Hello { host, able: Err(why) })) => {
                let _ = self.outbox.send(Arrival::Unable { number: from, host, why });
            }
            Ok(Report::Done(done)) => {
                if let Some(rank) = self.ranks.get(&from) {
                    rank.answers(done);
                }
            }
            // Another version of the program speaks otherwise: it is refused, or lost.
            Err(error) => match self.ranks.get(&from) {
                Some(rank) => rank.lose(),
                None => {
                    let why = format!("it does not speak as this version of cnnc does: {error}");
                    let _ = self.outbox.send(Arrival::Unable { number: from, host: String::new(), why });
                }
            },
        }
    }
}
