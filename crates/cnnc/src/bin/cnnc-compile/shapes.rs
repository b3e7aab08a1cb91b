//! `cnnc shapes`: the layers of a model's optimized graph, equal ones counted.

use crate::failure;
use crate::options::options;
use cnnc_artifact::write_atomically;
use cnnc_cli::CliError;
use cnnc_cli::commands::shapes::Args;
use cnnc_compiler::import_and_optimize;
use cnnc_compiler::shapes::{Layer, layers_of, parse_layers, print_layers};
use std::io::Write;
use std::path::Path;

/// The layers of a list of shapes in a file.
pub fn read_list(path: &Path) -> Result<Vec<Layer>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.into(), source })?;
    parse_list(path, &text)
}

/// The layers of a list of shapes whose text is that of a file.
pub fn parse_list(path: &Path, text: &str) -> Result<Vec<Layer>, CliError> {
    parse_layers(text).map_err(|e| CliError::File { path: path.into(), what: e.to_string() })
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let options = options(&args.compile, 1)?;
    let graph = import_and_optimize(&args.model, &options, &mut |_, _| Ok(())).map_err(failure::compile)?;
    let name = args.model.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let text = format!("# cnnc shapes {name}\n{}", print_layers(&layers_of(&graph)));
    match &args.output {
        Some(path) => Ok(write_atomically(path, |file| file.write_all(text.as_bytes()))?),
        None => cnnc_cli::say(&text),
    }
}
