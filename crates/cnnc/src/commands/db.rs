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
    /// Print where the database is
    Path,
}
