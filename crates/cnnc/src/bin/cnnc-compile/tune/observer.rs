//! What tuning tells: every trial to the database, how far it is to whoever looks on.

use super::database_failure;
use super::networks::Network;
use super::verdict::Verdict;
use cnnc_autotune::database::Session;
use cnnc_autotune::tuner::{Observer, Standing};
use cnnc_autotune::{Database, Setting, Trial};
use cnnc_cli::{CliError, process};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the line that tells how far it is changes.
const REFRESH: Duration = Duration::from_millis(250);

/// Keeps trials and shows progress.
pub struct Watch<'a> {
    database: &'a Database,
    session: Session,
    setting: &'a Setting,
    json: bool,
    budget: Duration,
    start: Instant,
    shown: Option<Instant>,
    /// The last standing.
    pub standing: Standing,
    failure: Option<CliError>,
}

impl<'a> Watch<'a> {
    /// Of a run.
    pub fn new(
        database: &'a Database,
        session: Session,
        setting: &'a Setting,
        json: bool,
        budget: Duration,
    ) -> Watch<'a> {
        let (start, standing) = (Instant::now(), Standing::default());
        Watch { database, session, setting, json, budget, start, shown: None, standing, failure: None }
    }

    /// Says what there is to do.
    pub fn begins(&mut self, networks: &[Network], tasks: usize, shared: usize, known: usize) -> Result<(), CliError> {
        if self.json {
            let names: Vec<String> = networks.iter().map(Network::name).collect();
            return self.event(&json!({
                "event": "begin", "models": names, "layers": tasks, "shared_layers": shared, "known_trials": known,
                "budget_s": self.budget.as_secs_f64(),
            }));
        }
        let models = if networks.len() == 1 { networks[0].name() } else { format!("{} models", networks.len()) };
        let of_before = if known > 0 { format!(", {known} trials known from before") } else { String::new() };
        let twice = if shared > 0 { format!(" ({shared} more are shared)") } else { String::new() };
        cnnc_cli::say(&format!("{models}: {tasks} layers to tune{twice}{of_before}\n"))
    }

    /// Says what tuning has done; an error where trials could not be kept.
    pub fn ended(&mut self) -> Result<(), CliError> {
        self.clear();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let Standing { timed, same_code, stopped, failed, .. } = self.standing;
        if self.json {
            return self.event(&json!({
                "event": "tuned", "seconds": seconds, "timed": timed, "same_code": same_code,
                "stopped_early": stopped, "failed": failed,
            }));
        }
        let an_hour = (timed + stopped) as f64 / seconds * 3600.0;
        cnnc_cli::say(&format!(
            "{timed} candidates timed, {stopped} given up early, {same_code} of code timed before, {failed} failed in \
             {seconds:.0} s; {an_hour:.0} measured an hour\n"
        ))
    }

    /// Says what has become of a network.
    pub fn network(&mut self, verdict: &Verdict, lock: &Path) -> Result<(), CliError> {
        match self.json {
            true => self.event(&verdict.json(lock)),
            false => cnnc_cli::say(&verdict.text(lock)),
        }
    }

    fn event(&self, event: &serde_json::Value) -> Result<(), CliError> {
        cnnc_cli::say(&format!("{event}\n"))
    }

    fn clear(&mut self) {
        if !self.json && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

impl Observer for Watch<'_> {
    fn trial(&mut self, trial: &Trial) {
        if let Err(error) = self.database.append(&mut self.session, self.setting, trial) {
            self.failure.get_or_insert(database_failure(error));
        }
    }

    fn standing(&mut self, standing: &Standing) {
        self.standing = standing.clone();
        if self.shown.is_some_and(|at| at.elapsed() < REFRESH) {
            return;
        }
        self.shown = Some(Instant::now());
        let left = self.budget.saturating_sub(self.start.elapsed()).as_secs();
        let Standing { timed, stopped, seconds, expected, at, .. } = standing;
        if self.json {
            let event = json!({
                "event": "standing", "used": standing.used, "left_s": left, "timed": timed, "stopped_early": stopped,
                "layers_ms": seconds * 1e3, "expected_gain": expected, "at": at,
            });
            // A reader that has gone has no use for it.
            let _ = cnnc_cli::say(&format!("{event}\n"));
        } else if std::io::stderr().is_terminal() {
            let at: String = at.chars().take(48).collect();
            let (tried, milliseconds) = (timed + stopped, seconds * 1e3);
            let line = format!(
                "{tried} tried, layers {milliseconds:.2} ms, {:.1}% more expected; at most {}:{:02} left; {at}",
                100.0 * expected,
                left / 60,
                left % 60
            );
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }

    fn interrupted(&self) -> bool {
        process::interrupted() || self.failure.is_some()
    }
}
