//! The command line: `cnnc compile`, `run`, `bench`, `profile`, `inspect`, `opt`, `list`.
//!
//! Exit codes: 0 all is well, 2 the user's input is wrong, 1 anything else. Results go to standard output, one error
//! message with a hint to standard error, logs there too where `CNNC_LOG` asks for them.

mod args;
mod commands;
mod error;
mod feeds;
mod npy;
mod preprocess;
mod process;
mod source;
mod table;
mod trace;

use clap::{Parser, Subcommand};
use commands::{bench, compile, inspect, list, opt, profile, run};
use error::CliError;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  cnnc compile resnet50.onnx -o resnet50.cnna
  cnnc run resnet50.cnna --input photo.jpg --preprocess \"crop=0.875,mean=127,std=128\" --top 5
  cnnc profile resnet50.cnna --threads 1

CNNC_LOG=debug (or info, trace, cnnc_passes=debug, ...) logs to standard error.
Exit codes: 0 success, 2 wrong input, 1 anything else.";

/// A compiler for convolutional networks: ONNX in, one native artifact out
#[derive(Parser, Debug)]
#[command(name = "cnnc", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Compile(compile::Args),
    Run(run::Args),
    Bench(bench::Args),
    Profile(profile::Args),
    Inspect(inspect::Args),
    Opt(opt::Args),
    List(list::Args),
}

impl Command {
    /// Whether code is generated.
    fn generates_code(&self) -> bool {
        match self {
            Command::Compile(_) => true,
            Command::Run(run::Args { model, .. })
            | Command::Bench(bench::Args { model, .. })
            | Command::Profile(profile::Args { model, .. }) => !source::is_artifact(model),
            Command::Inspect(_) | Command::Opt(_) | Command::List(_) => false,
        }
    }

    fn run(&self) -> Result<(), CliError> {
        match self {
            Command::Compile(args) => compile::run(args),
            Command::Run(args) => run::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Profile(args) => profile::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Opt(args) => opt::run(args),
            Command::List(args) => list::run(args),
        }
    }
}

fn main() -> ExitCode {
    process::handle_signals();
    process::report_panics();
    log_to_stderr();
    let cli = Cli::parse();
    let result = if cli.command.generates_code() && !process::is_child() {
        process::run_in_child()
    } else {
        match std::panic::catch_unwind(|| cli.command.run()) {
            Ok(result) => result.map(|()| ExitCode::SUCCESS),
            // The hook has said what there is to say.
            Err(_) => Ok(ExitCode::FAILURE),
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        if let Some(hint) = error.hint() {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(error.exit_code())
    })
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CNNC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true).init();
}

/// A value as indented JSON.
fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(|error| CliError::Usage(format!("cannot print as JSON: {error}")))
}
