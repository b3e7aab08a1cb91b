//! The commands and their arguments, one file each. Those that need the compiler have their arguments here and their
//! work in `bin/cnnc-compile`.

pub mod bench;
pub mod bench_layers;
pub mod check;
pub mod compile;
pub mod db;
pub mod inputs;
pub mod inspect;
pub mod list;
pub mod machine;
pub mod opt;
pub mod profile;
pub mod report;
pub mod run;
pub mod shapes;
pub mod tune;
pub mod worker;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cnnc compile resnet50.onnx -o resnet50.cnna
  cnnc run resnet50.cnna --input photo.jpg --preprocess \"crop=0.875,mean=127,std=128\" --top 5
  cnnc profile resnet50.cnna --threads 1
  cnnc check resnet50.onnx --max-error 1e-5

CNNC_LOG=debug (or info, trace, cnnc_passes=debug, ...) logs to standard error.
Exit codes: 0 success, 2 wrong input, 1 anything else.";

/// A compiler for convolutional networks: ONNX in, one native artifact out
#[derive(Parser, Debug)]
#[command(name = "cnnc", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A command with its arguments.
#[derive(Subcommand, Debug)]
#[allow(missing_docs)] // each has its help
pub enum Command {
    Compile(compile::Args),
    Run(run::Args),
    Bench(bench::Args),
    BenchLayers(bench_layers::Args),
    Profile(profile::Args),
    Check(check::Args),
    Tune(tune::Args),
    Inspect(inspect::Args),
    Machine(machine::Args),
    Db(db::Args),
    Report(report::Args),
    Opt(opt::Args),
    List(list::Args),
    Shapes(shapes::Args),
    #[command(hide = true)]
    Inputs(inputs::Args),
    #[command(hide = true)]
    Worker(worker::Args),
}
