//! Arguments of `cnnc bench-layers`: layers timed under many candidates.

use crate::args::BackendArg;
use std::path::PathBuf;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  cnnc bench-layers tests/shapes/resnet50.txt
  cnnc bench-layers resnet50.txt --algorithm direct --candidates all --json
  echo 'conv 1x64x56x56 64x64x3x3 pad=1 tail=bias+relu' | cnnc bench-layers - --target x86-64-v3

A shapes file has one layer a line; `cnnc shapes MODEL` writes one.";

/// Time layers alone, under every algorithm that computes them
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shapes, a text file; - is standard input
    pub shapes: PathBuf,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Instruction set: native, x86-64-v2, x86-64-v3, x86-64-v4
    #[arg(long, value_name = "ISA", default_value = "native")]
    pub target: String,
    /// Code generator [default: llvm where it was built in, else cranelift]
    #[arg(long, value_enum)]
    pub backend: Option<BackendArg>,
    /// Only this algorithm; may stand several times
    #[arg(long, value_name = "NAME")]
    pub algorithm: Vec<String>,
    /// Candidates of each algorithm, the fastest by estimate first: best, a number, or all
    #[arg(long, default_value = "best", value_name = "best|N|all")]
    pub candidates: Candidates,
    /// Only layers whose line contains this text
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Seconds of measuring for each candidate
    #[arg(long, default_value_t = 0.2, value_parser = seconds)]
    pub seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How many candidates of an algorithm are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidates(pub usize);

impl FromStr for Candidates {
    type Err = String;

    fn from_str(text: &str) -> Result<Candidates, String> {
        match text {
            "best" => Ok(Candidates(1)),
            "all" => Ok(Candidates(usize::MAX)),
            _ => match text.parse() {
                Ok(n) if n > 0 => Ok(Candidates(n)),
                _ => Err("it is best, all or a number above 0".into()),
            },
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|s| (0.001..=3600.0).contains(s));
    seconds.ok_or_else(|| "it is a number of seconds from 0.001 to 3600".into())
}
