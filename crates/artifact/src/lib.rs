//! The artifact: one file with a network's machine code, packed weights and execution plan.
//!
//! [`Artifact`] is the content in memory and what the writer takes; the file format and its checked reader follow in
//! `format` (see there for the layout on disk).

mod plan;

pub use plan::{Io, Layer, Place, Plan, Step, Variant};
