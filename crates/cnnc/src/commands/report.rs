//! Arguments of `cnnc report`: what tuning has found, as a page.

use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cnnc report                                            (writes report.html)
  cnnc report --layers tests/shapes/resnet50.txt -o resnet50.html
  cnnc report shared.db --peers bench-results/peers-1-thread-x86-64-v4.json
  cnnc machine --json > server.json                      (there; its trials here, through `cnnc db export`)
  cnnc report --machine-file server.json

The page is one file that loads nothing: mail it, or keep it beside the results.";

/// Make a page of what tuning has measured: progress, candidates of each layer, roofline, memory
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The database [default: that of --db]
    #[arg(value_name = "DB", conflicts_with = "db")]
    pub database: Option<PathBuf>,
    /// The page to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// The database [default: $XDG_DATA_HOME/cnnc/tuning.db, else ~/.local/share/cnnc/tuning.db]
    #[arg(long, value_name = "PATH")]
    pub db: Option<PathBuf>,
    /// Show the layers of this list alone, each counted as often as it says (`cnnc shapes` makes lists); without one, each
    /// layer of the database counts once
    #[arg(long, value_name = "FILE")]
    pub layers: Option<PathBuf>,
    /// Add a table of networks against other engines, out of a file like those of bench-results/peers-*.json
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub peers: Vec<PathBuf>,
    /// Take the ceilings of another machine from a file that `cnnc machine --json` has made there [default: those of this
    /// machine, where `cnnc machine` has measured them]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub machine_file: Vec<PathBuf>,
}
