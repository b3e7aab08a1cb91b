//! The artifact: one file with a network's machine code, packed weights and execution plan.
//!
//! [`Artifact`] is the content in memory and what the writer takes; [`mod@format`] says how it lies on disk;
//! [`Reader`] maps a file and trusts nothing in it but the machine code, as a shared object is trusted.

mod atomic;
mod check;
mod error;
pub mod format;
mod manifest;
mod plan;
mod reader;
mod writer;

pub use atomic::{remove_unfinished, write_atomically};
pub use check::check_plan;
pub use error::ArtifactError;
pub use manifest::{Manifest, StoredVariant};
pub use plan::{Io, Layer, Place, Plan, Step, Variant};
pub use reader::Reader;
pub use writer::{Artifact, check_variant};
