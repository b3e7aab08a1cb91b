//! Ranks: processes on several machines, or one, that share the work of one search.
//!
//! ```text
//!  search -> Pool -> own processes
//!                 -> Rank 1 --orders, a line of JSON each--> attend -> Pool -> processes of that machine
//!                 -> Rank 2 <-what became of them----------
//! ```
//!
//! The first rank searches, and keeps all trials; the others [`attend`] with a pool of their own, which confines, watches
//! and replaces processes as the first one's does. What lies between them is a [`Transport`]. Its end at the first rank
//! is the [`Post`]. A rank measures what it has compiled, and compiles again what it is to measure and does not have:
//! only lines travel.

mod attend;
mod crew;
mod message;
mod post;
mod rank;

pub use attend::attend;
pub use crew::{Crew, Refused};
pub use message::{Able, Hello};
pub(super) use message::{Done, Ended, Held, Order};
pub use post::Post;
pub use rank::Rank;

use std::io;

/// Carries lines between ranks, without blocking for long.
pub trait Transport {
    /// Where this rank is.
    fn place(&self) -> Place;
    /// Sends a line to a rank.
    fn send(&mut self, to: usize, line: &[u8]) -> io::Result<()>;
    /// A line that has come, and from whom; none where there is none.
    fn receive(&mut self) -> io::Result<Option<(usize, Vec<u8>)>>;
}

/// Where a rank is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many ranks there are, this one counted.
    pub ranks: usize,
    /// The name of its machine.
    pub host: String,
    /// How many ranks this machine has, and which of them it is.
    pub of: usize,
    /// From 0.
    pub index: usize,
}

impl Place {
    /// The only rank.
    pub fn alone() -> Place {
        Place { ranks: 1, host: String::new(), of: 1, index: 0 }
    }
}
