//! `cnnc machine`: what this machine can do at best.

use crate::CliError;
use crate::table::{Table, bytes};
use cnnc_runtime::machine::Machine;

const EXAMPLES: &str = "\
Examples:
  cnnc machine
  cnnc machine --refresh --json

The figures are kept in the cache folder ($XDG_CACHE_HOME/cnnc, else ~/.cache/cnnc), where the compiler's cost model
finds them; until then it works with those of a common server core. Measure on an idle machine.";

/// Show this machine's ceilings: peaks, bandwidths, clock, cost of a fork and join
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Measure again, and keep the new figures
    #[arg(long)]
    refresh: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let known = if args.refresh { None } else { Machine::cached() };
    let machine = match known {
        Some(machine) => machine,
        None => {
            let below =
                || CliError::Usage("this machine's processor is below x86-64-v2: there is nothing to measure".into());
            let machine = Machine::measure().ok_or_else(below)?;
            machine.store()?;
            machine
        }
    };
    crate::say(&if args.json { crate::json(&machine)? } else { text(&machine) })
}

fn text(machine: &Machine) -> String {
    let caches: Vec<String> = machine.cache_bytes.iter().map(|&size| bytes(size as u64)).collect();
    let mut text = format!(
        "{}, {} processors, {:.0} MHz; caches {}; fork and join of {} threads {:.2} us\n\n",
        machine.processor,
        machine.processors,
        machine.clock_mhz,
        caches.join(", "),
        machine.processors,
        machine.fork_join_us
    );
    let mut peaks = Table::new(&["multiply-adds", ">GFLOP/s, 1 thread", ">all threads"]);
    for peak in &machine.peaks {
        peaks.row(vec![peak.isa.clone(), format!("{:.1}", peak.one), format!("{:.1}", peak.all)]);
    }
    let mut bandwidths = Table::new(&["reads from", ">GB/s, 1 thread", ">all threads"]);
    for level in &machine.bandwidths {
        bandwidths.row(vec![level.level.clone(), format!("{:.1}", level.one), format!("{:.1}", level.all)]);
    }
    text += &format!("{peaks}\n{bandwidths}");
    text
}
