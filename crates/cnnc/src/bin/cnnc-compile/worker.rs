//! `cnnc-compile worker`: compiles and measures candidates for the autotuner.

use cnnc_autotune::worker::{Confinement, serve};
use cnnc_cli::CliError;
use cnnc_cli::commands::worker::Args;

pub fn run(args: &Args) -> Result<(), CliError> {
    Confinement { memory: args.memory, cores: args.cores.clone() }.apply();
    let served = serve(std::io::stdin().lock(), std::io::stdout().lock());
    served.map_err(|error| CliError::Crash(format!("worker: {error}")))
}
