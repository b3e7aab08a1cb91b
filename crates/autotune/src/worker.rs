//! Worker processes: what compiles candidates and runs their code, where a crash, a hang or hunger for memory costs one
//! candidate and not the search.
//!
//! ```text
//!  search ──jobs──> Pool ──requests, a line of JSON each──> worker (compiles, one core each)
//!         <─events─      <─answers, a line of JSON each──── worker (measures, a core of its own)
//! ```
//!
//! A worker ([`serve`]) is the program `cnnc-compile worker`: it answers one request after the other until its standard
//! input ends. It keeps what the candidates of a layer share ([`kept`]): contents, packed weights, code of kernels, exact
//! results, the incumbent ready to run. The [`Pool`] starts workers, watches their time, kills those that take too long,
//! and replaces those that die. Compiled candidates go from one to the other as artifacts in a folder in memory. Workers
//! of other machines are reached through their [`ranks`].

mod code;
mod compile;
mod fault;
mod kept;
mod limits;
mod measure;
mod pool;
mod protocol;
pub mod ranks;
mod serve;

pub use fault::PLANT;
pub use limits::{Confinement, bound_to_cores};
pub use pool::{ArtifactFile, CompileJob, End, Event, Limits, MeasureJob, Pool, PoolError, PoolOptions, Queue, Tally};
pub use protocol::{Answer, Compile, CompileSpent, Compiled, Failure, Measure, MeasureSpent, Measured, Request};
pub use serve::serve;
