//! The processes that a rank compiles and measures with.

use cnnc_autotune::worker::ranks::Place;
use cnnc_autotune::worker::{PoolOptions, bound_to_cores};
use cnnc_cli::CliError;
use cnnc_cli::args::processors;
use cnnc_cli::commands::tune::Args;

/// How many there are, and where.
pub struct Workers {
    /// For their pool.
    pub options: PoolOptions,
    /// Whether nothing may be compiled while something is measured: where measuring takes all processors.
    pub alone: bool,
    /// Whether the ranks of this machine share its cores, for want of cores.
    pub crowded: bool,
}

impl Workers {
    /// Those of a rank, beside the other ranks of its machine.
    pub fn new(args: &Args, threads: usize, place: &Place) -> Result<Workers, CliError> {
        if let Some((own, all)) = bound_to_cores().filter(|_| place.ranks > 1) {
            // The machine would look like one with fewer processors.
            return Err(CliError::Usage(format!(
                "this rank is bound to {own} of {all} processors, which it shares out itself: use mpirun --bind-to none"
            )));
        }
        let program = std::env::current_exe().map_err(|e| CliError::Crash(format!("cannot find myself: {e}")))?;
        let mut options = PoolOptions { measuring_cores: threads, ..PoolOptions::new(&program) };
        let crowded = !options.make_room(place);
        let all = processors();
        let own = if place.of > 1 && !options.cores.is_empty() { all.min(options.cores.len()) } else { all };
        let alone = threads >= own;
        let compilers = if alone { own } else { own - threads };
        options.compilers = args.workers.map_or(compilers, usize::from);
        options.compile_when_idle = !alone && !crowded;
        Ok(Workers { options, alone, crowded })
    }
}
