//! What the two programs of the command line share.
//!
//! `cnnc` is the program that people call: it runs, measures and inspects artifacts itself. Whatever needs the compiler
//! it hands to `cnnc-compile`, which stands beside it: LLVM ends the process where it cannot go on, takes 50 MB once it
//! is loaded, and has no place in a process that serves. This library, and so `cnnc`, calls nothing that
//! compiles or tunes.

pub mod args;
pub mod commands;
mod error;
pub mod feeds;
pub mod npy;
mod preprocess;
pub mod process;
pub mod source;
pub mod table;
mod trace;

pub use error::CliError;
pub use feeds::Input;

use std::io::Write;

/// Writes to standard output; a full disk behind it is an ordinary error.
pub fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| CliError::Write { path: "standard output".into(), source })
}

/// A value as indented JSON.
pub fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| CliError::Usage(format!("cannot print as JSON: {error}")))
}
