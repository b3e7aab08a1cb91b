//! Arguments of `cnnc check`: a compiled network against the same network in f64.

use crate::args::SourceArgs;

const EXAMPLES: &str = "\
Examples:
  cnnc check resnet50.onnx                          (is each output within 1e-4 of the largest one?)
  cnnc check resnet50.onnx --input data=x.npy --max-error 5e-6 --json
  cnnc check net.onnx --shape data=1x3x64x64 --layers

The reference is the model as imported, before any pass, evaluated in f64 on the same inputs. Inputs that are not given
are seeded noise from -1 to 1. Exits with 1 where an output is beyond --max-error.";

/// Compile a model, run it, and compare it with the same network in f64
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The network and what it is fed.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Show the error of each layer's result, too
    #[arg(long)]
    pub layers: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
