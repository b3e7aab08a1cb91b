//! A layer alone: what it is fed, what it should compute, how long it takes.

pub mod contents;
mod measure;
mod reference;
mod runner;
mod target;
mod undisturbed;

pub use measure::{Measurer, Timed};
pub use reference::Reference;
pub use runner::Runner;
pub use target::{apply_ceilings, target_here};
