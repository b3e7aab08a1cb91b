//! The choices of a lock file, and a warning where they come from elsewhere.

use cnnc_autotune::lock::{Lock, Section};
use cnnc_autotune::revision;
use cnnc_cli::CliError;
use cnnc_compiler::{Choices, Options};
use cnnc_runtime::machine::fingerprint;
use std::path::Path;

/// The choices that a lock file has for some options. Where they were measured on another machine or made by another
/// compiler, a warning says what differs; where there are none for these options, it is an error.
pub fn choices(path: &Path, options: &Options, threads: usize, strict: bool) -> Result<Choices, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.into(), source })?;
    let wrong = |what: String| CliError::File { path: path.into(), what };
    let lock = Lock::parse(&text).map_err(|e| wrong(e.to_string()))?;
    let mut found = false;
    for target in &options.targets {
        let section = Section::new(target.isa, threads, &options.bounds);
        let Some(locked) = lock.sections.get(&section) else { continue };
        found = true;
        let differences = locked.differences(&options.backend.version(), revision(), &fingerprint());
        if !differences.is_empty() {
            eprintln!("warning: {} was made elsewhere: {}", path.display(), differences.join("; "));
        }
    }
    if !found {
        let has: Vec<String> = lock.sections.keys().map(Section::to_string).collect();
        let has = if has.is_empty() { "none at all".into() } else { has.join(", ") };
        return Err(wrong(format!("no choices for these threads, targets and bounds; it has {has}")));
    }
    Ok(lock.choices(threads, &options.bounds, strict))
}
