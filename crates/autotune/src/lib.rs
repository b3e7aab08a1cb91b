//! The autotuner: measured choice of candidates.
//!
//! A [`Workload`] is one layer in given layouts under a target; a [`Trial`] is what happened to one candidate of it.
//! Trials are made by worker processes, kept in a database, and become a lock file that compilation obeys.

pub mod calibrate;
pub mod database;
mod error;
mod front;
pub mod layer;
pub mod lock;
pub mod memory;
pub mod model;
mod paired;
pub mod report;
mod revision;
pub mod search;
mod trial;
pub mod tuner;
pub mod worker;
mod workload;

pub use cnnc_runtime::statistics;
pub use database::{Database, DatabaseError};
pub use error::TuneError;
pub use revision::revision;
pub use trial::{Outcome, Samples, Trial};
pub use workload::{Setting, Workload};
