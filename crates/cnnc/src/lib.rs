//! What the two programs of the command line share.
//!
//! `cnnc` is the program that people call: it runs, measures and inspects artifacts itself. Whatever needs the compiler
//! it hands to `cnnc-compile`, which stands beside it: LLVM ends the process where it cannot go on, takes 50 MB once it
//! is loaded, and has no place in a process that serves. This library, and so `cnnc`, uses no crate that compiles.

pub mod args;
pub mod commands;
mod error;
mod feeds;
pub mod npy;
mod preprocess;
pub mod process;
mod source;
pub mod table;
mod trace;

pub use error::CliError;
pub use feeds::Input;

/// A value as indented JSON.
pub fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(|error| CliError::Usage(format!("cannot print as JSON: {error}")))
}
