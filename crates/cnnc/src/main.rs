//! `cnnc`: runs, measures and inspects networks; hands what needs the compiler to `cnnc-compile`.
//!
//! Exit codes: 0 all is well, 2 the user's input is wrong, 1 anything else. Results go to standard output, one error
//! message with a hint to standard error, logs there too where `CNNC_LOG` asks for them.

use clap::Parser;
use cnnc_cli::commands::{Cli, Command, bench, inspect, machine, profile, run};
use cnnc_cli::process;
use std::process::ExitCode;

fn main() -> ExitCode {
    process::start();
    let cli = Cli::parse();
    process::finish(|| match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Profile(args) => profile::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Machine(args) => machine::run(args),
        Command::BenchLayers(_) | Command::Tune(_) => {
            process::catch_interrupts();
            process::compiler(std::env::args_os().skip(1))
        }
        Command::Compile(_)
        | Command::Check(_)
        | Command::Db(_)
        | Command::Opt(_)
        | Command::List(_)
        | Command::Shapes(_)
        | Command::Report(_)
        | Command::Inputs(_)
        | Command::Worker(_) => process::compiler(std::env::args_os().skip(1)),
    })
}
