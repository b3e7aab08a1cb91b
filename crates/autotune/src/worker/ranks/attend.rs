//! A rank other than the first: does what it is told, with a pool of its own.

use super::Transport;
use super::message::{Able, Done, Ended, Held, Hello, Order, Report};
use super::post::POLL;
use crate::worker::pool::{ArtifactFile, End, Event, MeasureJob, Pool, PoolOptions};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Presents this rank to the first one, and does its orders until the end. Why it can do nothing is told to the first
/// rank; the error here is that the first rank is gone.
pub fn attend(transport: &mut impl Transport, prepared: Result<(Able, PoolOptions), String>) -> io::Result<()> {
    let started = prepared.and_then(|(mut able, options)| {
        able.compilers = options.compilers;
        Ok((able, Pool::new(options).map_err(|error| error.to_string())?))
    });
    let (able, mut pool) = match started {
        Ok((able, pool)) => (Ok(able), Some(pool)),
        Err(why) => (Err(why), None),
    };
    let host = transport.place().host;
    say(transport, &Report::Hello(Hello { host, able }))?;
    let mut attending = Attending::default();
    loop {
        while let Some((_, line)) = transport.receive()? {
            match (serde_json::from_slice(&line)?, &mut pool) {
                (Order::End, _) => return Ok(()),
                (order, Some(pool)) => attending.obey(order, pool),
                (_, None) => {}
            }
        }
        match &pool {
            Some(pool) => {
                if let Some(event) = pool.next_event(POLL) {
                    attending.tell(event, transport)?;
                }
            }
            None => std::thread::sleep(POLL),
        }
    }
}

fn say(transport: &mut impl Transport, report: &Report) -> io::Result<()> {
    transport.send(0, &serde_json::to_vec(report)?)
}

/// What is at work, and what is kept for the first rank.
#[derive(Default)]
struct Attending {
    /// The first rank's tickets by the pool's own.
    tickets: HashMap<u64, u64>,
    artifacts: HashMap<u64, Arc<ArtifactFile>>,
}

impl Attending {
    fn obey(&mut self, order: Order, pool: &mut Pool) {
        match order {
            Order::Compile { ticket, job } => {
                self.tickets.insert(pool.submit_compile(job), ticket);
            }
            Order::Measure { ticket, artifact, incumbent, threads, seconds, stop_above, max_error } => {
                let (artifact, incumbent) = (self.artifact(artifact), incumbent.map(|held| self.artifact(*held)));
                let job = MeasureJob { artifact, incumbent, threads, seconds, stop_above, max_error };
                self.tickets.insert(pool.submit_measure(job), ticket);
            }
            Order::Forget { artifact } => drop(self.artifacts.remove(&artifact)),
            Order::End => {}
        }
    }

    /// An artifact, to be compiled where it is not there.
    fn artifact(&mut self, Held { id, job }: Held) -> Arc<ArtifactFile> {
        self.artifacts.entry(id).or_insert_with(|| Arc::new(ArtifactFile::new(id, job))).clone()
    }

    fn tell(&mut self, event: Event, transport: &mut impl Transport) -> io::Result<()> {
        let Event { ticket, end, seconds, slow, said } = event;
        let Some(ticket) = self.tickets.remove(&ticket) else { return Ok(()) };
        let ended = match end {
            End::Compiled(compiled, file) => {
                self.artifacts.insert(ticket, file);
                Ended::Compiled(compiled)
            }
            End::Measured(measured) => Ended::Measured(measured),
            End::Failed(outcome) => Ended::Failed(outcome),
        };
        say(transport, &Report::Done(Done { ticket, ended, seconds, slow, said }))
    }
}
