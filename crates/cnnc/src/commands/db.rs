//! `cnnc db`: the tuning database, looked at, exchanged and made small.

use crate::table::{Table, bytes, shortened};
use crate::{CliError, json, say};
use clap::Subcommand;
use cnnc_artifact::write_atomically;
use cnnc_autotune::database::{Added, Dropped, Keep, Stats, Tally};
use cnnc_autotune::{Database, DatabaseError, revision};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

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
    db: Option<PathBuf>,
    /// What to do with it.
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
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

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let path = match &args.db {
        Some(path) => path.clone(),
        None => Database::default_path().ok_or_else(|| {
            CliError::Usage("neither XDG_DATA_HOME nor HOME says where the database is: use --db PATH".into())
        })?,
    };
    match &args.action {
        Action::Path => say(&format!("{}\n", path.display())),
        Action::Stats { json: as_json } => {
            let stats = Database::open(&path)?.stats()?;
            if *as_json {
                say(&json(&StatsReport { path: &path, stats: &stats })?)
            } else {
                say(&stats_text(&path, &stats))
            }
        }
        Action::Export { file } => export(&Database::open(&path)?, file),
        Action::Import { file, json } => say_added(&path, import(&path, file)?, *json),
        Action::Merge { other, json } => {
            let other = Database::open(other)?;
            say_added(&path, Database::open_or_create(&path)?.merge(&other)?, *json)
        }
        Action::Gc { keep_priors, superseded, dry_run, json } => {
            let database = Database::open(&path)?;
            let keep = Keep { revision: revision(), priors: *keep_priors, superseded: !superseded };
            let dropped = if *dry_run { database.gc_dry(keep)? } else { database.gc(keep)? };
            say_dropped(&path, dropped, *dry_run, *json)
        }
    }
}

#[derive(Serialize)]
struct StatsReport<'a> {
    path: &'a Path,
    #[serde(flatten)]
    stats: &'a Stats,
}

fn export(database: &Database, file: &Path) -> Result<(), CliError> {
    if file == Path::new("-") {
        let written = database.export(&mut io::BufWriter::new(io::stdout().lock()));
        return match written {
            Err(DatabaseError::Stream(source)) => Err(CliError::Write { path: "standard output".into(), source }),
            other => Ok(other.map(drop)?),
        };
    }
    // The database's own errors pass through the writer, which knows those of files alone.
    let mut failed = None;
    let written = write_atomically(file, |to| match database.export(to) {
        Ok(_) => Ok(()),
        Err(DatabaseError::Stream(error)) => Err(error),
        Err(error) => {
            failed = Some(error);
            Err(io::Error::other("the database cannot be read"))
        }
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(written?),
    }
}

fn import(path: &Path, file: &Path) -> Result<Added, CliError> {
    let unreadable = |source| CliError::Read { path: file.to_path_buf(), source };
    // A file that is not there must not leave an empty database behind.
    let source: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(unreadable)?)
    };
    match Database::open_or_create(path)?.import(BufReader::new(source)) {
        Err(DatabaseError::Stream(source)) => Err(unreadable(source)),
        Err(error @ DatabaseError::Lines(_)) => {
            Err(CliError::File { path: file.to_path_buf(), what: error.to_string() })
        }
        other => Ok(other?),
    }
}

fn say_added(path: &Path, added: Added, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return say(&json(&added)?);
    }
    say(&format!("{}: {} new trials, {} were there\n", path.display(), added.new, added.known))
}

fn say_dropped(path: &Path, dropped: Dropped, dry: bool, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return say(&json(&dropped)?);
    }
    let Dropped { trials, sessions, .. } = dropped;
    let (name, what) = (path.display(), format!("{trials} trials and {sessions} sessions"));
    say(&if dry {
        format!("{name}: would drop {what}\n")
    } else {
        format!("{name}: dropped {what}, {} less\n", bytes(dropped.bytes))
    })
}

fn stats_text(path: &Path, stats: &Stats) -> String {
    let size = path.metadata().map_or(0, |file| file.len());
    let Tally { trials, timed, stopped_early, same_code, failed, .. } = stats.total;
    let mut text = format!(
        "{}: {}, {trials} trials of {} sessions: {timed} timed, {stopped_early} stopped early, {same_code} of the same \
         code, {failed} failed\n",
        path.display(),
        bytes(size),
        stats.sessions
    );
    if trials == 0 {
        return text;
    }
    let mut outcomes = Table::new(&["outcome", ">trials"]);
    for (outcome, count) in &stats.outcomes {
        outcomes.row(vec![outcome.replace('_', " "), count.to_string()]);
    }
    text += &format!("\n{outcomes}");
    let current = |name: &str| if name == revision() { format!("{name} (this build)") } else { name.to_string() };
    // Of a fingerprint, people know the processor; the caches tell alike ones apart.
    let machine = |name: &str| name.split(';').take(2).collect::<Vec<_>>().join(";");
    text += &tally_table("machine", &stats.machines, machine);
    text += &tally_table("revision", &stats.revisions, current);
    text + &tally_table("workload", &stats.workloads, shortened)
}

fn tally_table(heading: &str, tallies: &[Tally], name: impl Fn(&str) -> String) -> String {
    let mut table = Table::new(&[heading, ">trials", ">timed", ">stopped early", ">same code", ">failed"]);
    for tally in tallies {
        let counts = [tally.trials, tally.timed, tally.stopped_early, tally.same_code, tally.failed];
        // Names may come from others' exports: they must not speak to the terminal.
        let name = name(&tally.name).replace(char::is_control, "?");
        table.row(std::iter::once(name).chain(counts.map(|count| count.to_string())).collect());
    }
    format!("\n{table}")
}
