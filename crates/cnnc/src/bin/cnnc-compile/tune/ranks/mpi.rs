//! Lines between ranks over MPI.
//!
//! All calls come from the thread that has opened it. Sends are buffered: two ranks that send to each other at once do
//! not wait for each other. What goes wrong within MPI ends all ranks.

use cnnc_autotune::worker::ranks::{Place, Transport};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};
use mpi::{Rank, Threading};
use std::io;

/// Bytes of lines on their way; memory that no line takes is not touched.
const BUFFER: usize = 64 << 20;

/// MPI, to be ended when it is dropped, which waits for all ranks.
pub struct Mpi {
    world: SimpleCommunicator,
    place: Place,
    // The last to go.
    _universe: Universe,
}

impl Mpi {
    /// Begins MPI in this thread, as one of so many ranks.
    pub fn open(ranks: usize) -> io::Result<Mpi> {
        let begun = mpi::initialize_with_threading(Threading::Funneled);
        let (mut universe, _) = begun.ok_or_else(|| io::Error::other("it was begun before"))?;
        let world = universe.world();
        if world.size() != ranks as Rank {
            return Err(io::Error::other(format!(
                "mpirun has started {ranks} ranks, of which the MPI library of this cnnc sees {}: they are not of one \
                 kind",
                world.size()
            )));
        }
        universe.set_buffer_size(BUFFER);
        let machine = world.split_shared(world.rank());
        let host = mpi::environment::processor_name().unwrap_or_default();
        let place = Place { ranks, host, of: machine.size() as usize, index: machine.rank() as usize };
        drop(machine);
        Ok(Mpi { world, place, _universe: universe })
    }
}

impl Transport for Mpi {
    fn place(&self) -> Place {
        self.place.clone()
    }

    fn send(&mut self, to: usize, line: &[u8]) -> io::Result<()> {
        self.world.process_at_rank(to as Rank).buffered_send(line);
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        let found = self.world.any_process().immediate_matched_probe();
        Ok(found.map(|message| {
            let (line, status) = message.matched_receive_vec();
            (status.source_rank() as usize, line)
        }))
    }
}
