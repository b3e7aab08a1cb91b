//! Arguments of `cnnc db`: the tuning database, looked at, exchanged and made small.

use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cnnc db stats
  cnnc db export trials.jsonl
  cnnc db export - | ssh other cnnc db import -
  cnnc db merge other.db
  cnnc db gc --keep-priors --dry-run
  cnnc db fit
  cnnc db stats --db shared.db --json | jq '.outcomes'

Without --db it is $XDG_DATA_HOME/cnnc/tuning.db, else ~/.local/share/cnnc/tuning.db. It is an SQLite file with a
write-ahead log, which several processes may use at once; copy it with export, not with cp while one of them writes.";

/// Show, exchange or clean up what tuning has measured
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The database [default: the user's, see below]
    #[arg(long, value_name = "PATH", global = true)]
    pub db: Option<PathBuf>,
    /// What to do with it.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a database.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Check the file, and count trials by outcome, machine, revision and workload
    Stats {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write every trial as a line of JSON
    Export {
        /// The file to write; - is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Add the trials of an export: all of them, or none where a line is wrong. What is there already is left alone
    Import {
        /// The file to read; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add the trials of another database. What is there already is left alone
    Merge {
        /// The other database
        #[arg(value_name = "OTHER.db")]
        other: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Drop trials of other revisions of the code generator than this build's, and give the room back
    Gc {
        /// Keep the latest time of each candidate under other revisions: the search tries first what was fast there
        #[arg(long)]
        keep_priors: bool,
        /// Drop also the trials of this revision that later ones of the same candidate and outcome make superfluous;
        /// searches that they belong to cannot be replayed any more
        #[arg(long)]
        superseded: bool,
        /// Say what would be dropped, and drop nothing
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Fit the terms of the analytic costs to the trials of this machine, and keep them where that makes better choices
    ///
    /// Layers without measurements are chosen for by estimate. What the estimates cannot count (how far loads hide behind
    /// arithmetic, what the end of a tile takes) is fitted so that as little as possible is lost by the choices. A fit to
    /// two thirds of the layers is judged by the last third. `compile` and `tune` go by the kept terms from then on
    Fit {
        /// Keep nothing
        #[arg(long)]
        dry_run: bool,
        /// Forget the terms that are kept, and fit nothing
        #[arg(long, conflicts_with = "dry_run")]
        forget: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where the database is
    Path,
}
