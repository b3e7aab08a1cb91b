//! Arguments of `cnnc shapes`: the layers of a model as a list for `bench-layers`.

use crate::args::CompileArgs;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cnnc shapes resnet50.onnx
  cnnc shapes net.onnx --shape data=1x3x224x224 -o net.txt";

/// List the shapes of a model's layers, for bench-layers
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model (.onnx)
    pub model: PathBuf,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How to import.
    #[command(flatten)]
    pub compile: CompileArgs,
}
