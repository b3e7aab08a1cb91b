//! `cnnc compile`: a model becomes an artifact.

use crate::CliError;
use crate::args::{CompileArgs, processors};
use crate::table::bytes;
use cnnc_artifact::Artifact;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  cnnc compile resnet50.onnx -o resnet50.cnna
  cnnc compile net.onnx --shape data=1x3x224x224 --target x86-64-v3,x86-64-v4 --threads 4 -o net.cnna
  cnnc compile sr.onnx --bind sizes=sizes.npy --dump stages -o sr.cnna";

/// Compile an ONNX model into one artifact file
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model (.onnx)
    model: PathBuf,
    /// The artifact to write (.cnna)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Threads that the network will run on [default: the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(flatten)]
    compile: CompileArgs,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let start = Instant::now();
    let options = args.compile.options(args.threads.map_or_else(processors, usize::from))?;
    let compiled = cnnc_compiler::compile(&args.model, &options)?;
    let producer = format!("cnnc {}", env!("CARGO_PKG_VERSION"));
    let artifact = Artifact { model: compiled.model, producer, variants: compiled.variants };
    artifact.write_file(&args.output)?;
    let targets: Vec<String> = artifact.variants.iter().map(|v| format!("{} ({})", v.isa, v.backend)).collect();
    let layers = artifact.variants.first().map_or(0, |v| v.plan.layers.len());
    let size = std::fs::metadata(&args.output).map_or(0, |m| m.len());
    println!(
        "{}: {}, {layers} layers, {} in {:.1} s",
        args.output.display(),
        bytes(size),
        targets.join(", "),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
