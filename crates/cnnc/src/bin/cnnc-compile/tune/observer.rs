//! What tuning tells: every trial to the database, how far it is to whoever looks on.

use super::networks::Network;
use super::verdict::Verdict;
use crate::failure;
use cnnc_autotune::database::Session;
use cnnc_autotune::memory::Choice;
use cnnc_autotune::tuner::{Certificate, Observer, Standing, Task};
use cnnc_autotune::{Database, Setting, Trial};
use cnnc_cli::table::{Table, bytes, shortened};
use cnnc_cli::{CliError, process};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often what is shown changes: on a terminal, and where lines are added to a log.
const REFRESH: Duration = Duration::from_millis(250);
const LOGGED: Duration = Duration::from_secs(60);
/// Steps of the bar.
const STEPS: u64 = 1000;

/// Keeps trials and shows progress.
pub struct Watch<'a> {
    database: &'a Database,
    session: Session,
    setting: &'a Setting,
    json: bool,
    budget: Duration,
    /// Seconds that the networks take at the end, and milliseconds of all networks outside of tuned layers.
    at_the_end: f64,
    rest_ms: f64,
    start: Instant,
    shown: Option<Instant>,
    bar: ProgressBar,
    standing: Standing,
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
        let hidden = json || !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        if let Ok(style) = ProgressStyle::with_template("[{wide_bar}] {prefix}\n{wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let (start, standing) = (Instant::now(), Standing::default());
        let (at_the_end, rest_ms) = (0.0, 0.0);
        Watch {
            database,
            session,
            setting,
            json,
            budget,
            at_the_end,
            rest_ms,
            start,
            shown: None,
            bar,
            standing,
            failure: None,
        }
    }

    /// How long it may take.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Says what there is to do.
    pub fn begins(
        &mut self,
        networks: &[Network],
        tasks: &[Task],
        shared: usize,
        known: usize,
    ) -> Result<(), CliError> {
        let candidates: usize = tasks.iter().map(|task| task.search.points().len()).sum();
        let tasks = tasks.len();
        if self.json {
            let names: Vec<String> = networks.iter().map(Network::name).collect();
            return self.event(&json!({
                "event": "begin", "session": self.session.id(), "models": names, "layers": tasks, "shared_layers": shared, "known_trials": known, "candidates": candidates,
                "budget_s": self.budget.as_secs_f64(),
            }));
        }
        let models = if networks.len() == 1 { networks[0].name() } else { format!("{} models", networks.len()) };
        let of_before = if known > 0 { format!(", {known} trials known from before") } else { String::new() };
        let twice = if shared > 0 { format!(" ({shared} more are shared)") } else { String::new() };
        cnnc_cli::say(&format!("{models}: {tasks} layers to tune{twice}, {candidates} candidates{of_before}\n"))
    }

    /// Takes note of what comes besides tuning: seconds at the end, milliseconds of the networks outside of their tuned
    /// layers.
    pub fn expect(&mut self, at_the_end: f64, rest_ms: f64) {
        (self.at_the_end, self.rest_ms) = (at_the_end, rest_ms);
    }

    /// Says how far the end of a run is: before a network's, seconds of it and of those after it.
    pub fn ending(&mut self, network: &Network, seconds: f64) {
        (self.at_the_end, self.standing.left, self.standing.at) = (seconds, 0.0, network.name());
        self.show();
    }

    /// Says what tuning does besides layers.
    pub fn phase(&mut self, what: &str) {
        self.bar.set_message(what.to_string());
        if self.json {
            let _ = self.event(&json!({ "event": "phase", "what": what }));
        }
    }

    /// Says what tuning has done; an error where trials could not be kept.
    pub fn tuned(&mut self) -> Result<(), CliError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let Standing { timed, compared, same_code, stopped, failed, .. } = self.standing;
        if self.json {
            return self.event(&json!({
                "event": "tuned", "seconds": seconds, "timed": timed, "compared": compared, "same_code": same_code,
                "stopped_early": stopped, "failed": failed,
            }));
        }
        let an_hour = timed as f64 / seconds * 3600.0;
        self.say(&format!(
            "{timed} candidates timed, {stopped} given up early, {same_code} of code timed before, {failed} failed in \
             {seconds:.0} s; {an_hour:.0} timed an hour\n"
        ))
    }

    /// Says something, as an event or as text.
    pub fn tell(&self, event: &serde_json::Value, text: &str) -> Result<(), CliError> {
        if self.json { self.event(event) } else { self.say(text) }
    }

    /// Says what has become of a network.
    pub fn network(&mut self, verdict: &Verdict, lock: &Path) -> Result<(), CliError> {
        match self.json {
            true => self.event(&verdict.json(lock)),
            false => self.say(&verdict.text(lock)),
        }
    }

    /// Says what memory costs: the choices that no other beats in both.
    pub fn front(&mut self, network: &Network, front: &[Choice]) -> Result<(), CliError> {
        if self.json {
            let points: Vec<_> =
                front.iter().map(|c| json!({ "layers_ms": c.seconds * 1e3, "bytes": c.bytes })).collect();
            return self.event(&json!({ "event": "front", "model": network.name(), "points": points }));
        }
        let (Some(first), Some(last)) = (front.first(), front.last()) else { return Ok(()) };
        let point = |choice: &Choice| format!("{:.3} ms with {}", choice.seconds * 1e3, bytes(choice.bytes));
        let name = network.name();
        self.say(&format!(
            "{name}: layers take {} at the fastest, {} at the smallest; {} points between (--max-memory)\n",
            point(first),
            point(last),
            front.len().saturating_sub(2)
        ))
    }

    /// Says what has become of a list of layers.
    pub fn list(&mut self, list: &Network, tasks: &[Task], lock: &Path) -> Result<(), CliError> {
        let mut table = Table::new(&["layer", ">tried", ">candidates", ">ms", "winner"]);
        let mut layers = vec![];
        for spot in list.spots() {
            let Some(task) = tasks.iter().find(|task| spot.place.is_of(task)) else { continue };
            let (search, points) = (&task.search, task.search.points());
            let Some(best) = search.best() else { continue };
            let (ms, winner) = (search.seconds(best) * 1e3, points[best].candidate.to_string());
            let (tried, all) = (search.tried(), points.len());
            layers.push(json!({ "layer": spot.name, "tried": tried, "candidates": all, "ms": ms, "winner": winner }));
            let name = shortened(&spot.name);
            table.row(vec![name, tried.to_string(), all.to_string(), format!("{ms:.4}"), winner]);
        }
        if self.json {
            let lock = lock.display().to_string();
            return self.event(&json!({ "event": "list", "list": list.name(), "layers": layers, "lock": lock }));
        }
        self.say(&format!("{table}wrote {}\n", lock.display()))
    }

    /// Says how good the winners are.
    pub fn certified(&mut self, certificates: &[Certificate]) -> Result<(), CliError> {
        let time = |c: &Certificate| c.count as f64 * c.seconds;
        let lost: f64 = certificates.iter().map(|c| time(c) * c.regret / (1.0 + c.regret)).sum();
        let all: f64 = certificates.iter().map(time).sum();
        if self.json {
            return self.event(&json!({ "event": "certified", "layers": certificates, "regret": lost / all }));
        }
        let mut table = Table::new(&["layer", ">tried", ">of", ">ms", ">regret %", ">95%", ">flips %", "winner"]);
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        for c in certificates {
            let interval = format!("{}..{}", percent(c.interval.0), percent(c.interval.1));
            let (tried, space, ms) = (c.tried.to_string(), c.space.to_string(), format!("{:.4}", c.seconds * 1e3));
            let (regret, flips, winner) = (percent(c.regret), percent(c.flips), c.winner.clone());
            table.row(vec![shortened(&c.layer), tried, space, ms, regret, interval, flips, winner]);
        }
        self.say(&format!("{table}all layers together: regret {}%\n", percent(lost / all)))
    }

    /// Ends the session; an error where trials could not be kept.
    pub fn end(self) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        match self.failure {
            Some(failure) => Err(failure),
            None => self.database.end_session(self.session).map_err(failure::database),
        }
    }

    fn say(&self, text: &str) -> Result<(), CliError> {
        self.bar.suspend(|| cnnc_cli::say(text))
    }

    fn event(&self, event: &serde_json::Value) -> Result<(), CliError> {
        cnnc_cli::say(&format!("{event}\n"))
    }

    fn show(&mut self) {
        let Standing { timed, stopped, seconds, expected, at, .. } = &self.standing;
        let left = (self.standing.left + self.at_the_end) as u64;
        let used = (self.start.elapsed().as_secs_f64() / self.budget.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0);
        let network_ms = self.rest_ms + seconds * 1e3;
        if self.json {
            let event = json!({
                "event": "standing", "used": used, "left_s": left, "timed": timed, "stopped_early": stopped,
                "layers_ms": seconds * 1e3, "network_ms": network_ms, "expected_gain": expected, "at": at,
            });
            // A reader that has gone has no use for it.
            let _ = self.event(&event);
            return;
        }
        let (minutes, rest) = (left / 60, left % 60);
        let line = format!(
            "about {network_ms:.2} ms, {:.1}% more expected; {} measured; {minutes}:{rest:02} left",
            100.0 * expected,
            timed + stopped
        );
        if std::io::stderr().is_terminal() {
            self.bar.set_position((used * STEPS as f64) as u64);
            self.bar.set_prefix(line);
            self.bar.set_message(at.clone());
        } else if used > 0.0 && self.start.elapsed() > LOGGED {
            eprintln!("{line}; {at}");
        }
    }
}

impl Observer for Watch<'_> {
    fn trial(&mut self, trial: &Trial) {
        if let Err(error) = self.database.append(&mut self.session, self.setting, trial) {
            self.failure.get_or_insert(failure::database(error));
        }
    }

    fn standing(&mut self, standing: &Standing) {
        self.standing = standing.clone();
        let pause = if self.json || std::io::stderr().is_terminal() { REFRESH } else { LOGGED };
        if self.shown.is_none_or(|at| at.elapsed() >= pause) {
            self.shown = Some(Instant::now());
            self.show();
        }
    }

    fn interrupted(&self) -> bool {
        process::interrupted() || self.failure.is_some()
    }
}
