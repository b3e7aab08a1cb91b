//! Arguments of `cnnc opt`: the graph of a model after any pass, as text.

use crate::args::CompileArgs;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cnnc opt net.onnx                              the optimized graph
  cnnc opt net.onnx --stop-after import          as imported
  cnnc opt net.onnx --stop-after fuse_tails -o net.cir
  cnnc opt net.onnx --stop-after fold_constants:2   after the second time that the pass runs
  cnnc opt net.onnx --dump stages                every stage that changed something, numbered
  cnnc opt net.onnx --constants weights -o net.cir
  cnnc opt net.cir --constants weights           optimize a graph that is text already";

/// Print a model's graph after any pass
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model (.onnx) or graph (.cir)
    pub model: PathBuf,
    /// Pass after which to stop, or `import`; see `cnnc list passes`
    #[arg(long, value_name = "PASS[:N]")]
    pub stop_after: Option<String>,
    /// File for the graph, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder with the content of large constants, which the text names by hash: written beside the graph, read with a
    /// .cir
    #[arg(long, value_name = "DIR")]
    pub constants: Option<PathBuf>,
    /// How to compile.
    #[command(flatten)]
    pub compile: CompileArgs,
}
