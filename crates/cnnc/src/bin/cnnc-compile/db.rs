//! `cnnc db`: the tuning database, looked at, exchanged and made small.

use crate::{database, failure, fit};
use cnnc_artifact::write_atomically;
use cnnc_autotune::database::{Added, Dropped, Keep, Stats, Tally};
use cnnc_autotune::{Database, DatabaseError, revision};
use cnnc_cli::commands::db::{Action, Args};
use cnnc_cli::table::{Table, bytes, shortened};
use cnnc_cli::{CliError, json, say};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let path = database::users(args.db.as_deref())?;
    match &args.action {
        Action::Path => say(&format!("{}\n", path.display())),
        Action::Stats { json: as_json } => {
            let stats = Database::open(&path).and_then(|database| database.stats()).map_err(failure::database)?;
            if *as_json {
                say(&json(&StatsReport { path: &path, stats: &stats })?)
            } else {
                say(&stats_text(&path, &stats))
            }
        }
        Action::Export { file } => export(&Database::open(&path).map_err(failure::database)?, file),
        Action::Import { file, json } => say_added(&path, import(&path, file)?, *json),
        Action::Merge { other, json } => {
            let other = Database::open(other).map_err(failure::database)?;
            let merged = Database::open_or_create(&path).and_then(|database| database.merge(&other));
            say_added(&path, merged.map_err(failure::database)?, *json)
        }
        Action::Fit { dry_run, forget, json } => {
            let database = Database::open(&path).map_err(failure::database)?;
            fit::run(&database, *dry_run, *forget, *json)
        }
        Action::Gc { keep_priors, superseded, dry_run, json } => {
            let database = Database::open(&path).map_err(failure::database)?;
            let keep = Keep { revision: revision(), priors: *keep_priors, superseded: !superseded };
            let dropped = if *dry_run { database.gc_dry(keep) } else { database.gc(keep) };
            say_dropped(&path, dropped.map_err(failure::database)?, *dry_run, *json)
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
            other => other.map(drop).map_err(failure::database),
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
        Some(error) => Err(failure::database(error)),
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
    match Database::open_or_create(path).and_then(|database| database.import(BufReader::new(source))) {
        Err(DatabaseError::Stream(source)) => Err(unreadable(source)),
        Err(error @ DatabaseError::Lines(_)) => {
            Err(CliError::File { path: file.to_path_buf(), what: error.to_string() })
        }
        other => other.map_err(failure::database),
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
