//! `cnnc-compile`: the part of the command line that needs the compiler. `cnnc` calls it with its own arguments.

mod bench_layers;
mod check;
mod compile;
mod database;
mod db;
mod failure;
mod fit;
mod list;
mod lock;
mod opt;
mod options;
mod report;
mod shapes;
mod tune;
mod worker;

use clap::Parser;
use cnnc_cli::commands::{Cli, Command};
use cnnc_cli::{CliError, process};
use std::process::ExitCode;

fn main() -> ExitCode {
    process::start();
    let cli = Cli::parse();
    process::finish(|| match &cli.command {
        Command::Compile(args) => compile::run(args),
        Command::Check(args) => check::run(args),
        Command::Opt(args) => opt::run(args),
        Command::List(args) => list::run(args),
        Command::BenchLayers(args) => bench_layers::run(args),
        Command::Shapes(args) => shapes::run(args),
        Command::Inputs(args) => compile::inputs(args),
        Command::Db(args) => db::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Report(args) => report::run(args),
        Command::Worker(args) => worker::run(args),
        Command::Run(_) | Command::Bench(_) | Command::Profile(_) | Command::Inspect(_) | Command::Machine(_) => {
            Err(CliError::Usage("cnnc does that".into()))
        }
    })
}
