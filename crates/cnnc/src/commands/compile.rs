//! Arguments of `cnnc compile`: a model becomes an artifact.

use crate::args::CompileArgs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  cnnc compile resnet50.onnx                       (writes resnet50.cnna)
  cnnc compile net.onnx --shape data=1x3x224x224 --target x86-64-v3,x86-64-v4 --threads 4 -o net.cnna
  cnnc compile vgg19.onnx --max-error 5e-6         (only algorithms that keep 5e-6 of the largest output)
  cnnc compile sr.onnx --bind sizes=sizes.npy --dump stages -o sr.cnna";

/// Compile an ONNX model into one artifact file
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model (.onnx)
    pub model: PathBuf,
    /// The artifact to write [default: the model's name with .cnna, in this folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Threads that the network will run on [default: the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How to compile.
    #[command(flatten)]
    pub compile: CompileArgs,
    /// Content of an input that is bound only if shapes turn out to depend on it: NAME=FILE.npy
    #[arg(long, value_name = "NAME=FILE", hide = true)]
    pub offer: Vec<String>,
    /// Print nothing
    #[arg(long, hide = true)]
    pub quiet: bool,
}

impl Args {
    /// The file to write.
    pub fn artifact(&self) -> PathBuf {
        let named = |model: &Path| PathBuf::from(model.file_name().unwrap_or_default()).with_extension("cnna");
        self.output.clone().unwrap_or_else(|| named(&self.model))
    }
}
