//! A recorded session, searched again without measuring: the same proposals, and in the end the same locks.
//!
//! Each trial of the log must be one that the search proposes at that point, from the seed and the trials before it; the
//! first that is not ends the replay. The spaces come from this build and the kept figures of this machine: both must be
//! as they were.

use super::chosen::MadeFor;
use super::networks::Network;
use super::picks::picks;
use super::{layouts, tasks, verdict, write_lock};
use crate::failure;
use cnnc_autotune::Database;
use cnnc_autotune::Trial;
use cnnc_autotune::database::Record;
use cnnc_autotune::lock::Lock;
use cnnc_autotune::tuner::Task;
use cnnc_cli::CliError;
use cnnc_cli::commands::tune::Args;
use std::collections::HashMap;

/// Replays a session, `last` or by its name, and writes the locks that it wrote.
pub fn run(
    session: &str,
    networks: &mut [Network],
    database: &Database,
    made_for: MadeFor,
    args: &Args,
) -> Result<(), CliError> {
    let sessions = database.sessions().map_err(failure::database)?;
    let info = if session == "last" { sessions.last() } else { sessions.iter().find(|info| info.id == session) };
    let info = info.ok_or_else(|| CliError::Usage(format!("--replay {session}: there is no such session")))?;
    let log = database.session_log(&info.id).map_err(failure::database)?;
    let before = tasks::records(database, made_for.setting, info.started).map_err(failure::database)?;
    let known: Vec<&Trial> = before.iter().chain(&log).map(|record| &record.trial).collect();
    layouts::recall(networks, made_for, &known)?;
    let model = tasks::model(&before, database, made_for.setting, info.started).map_err(failure::database)?;
    let (mut tasks, _) = tasks::of(networks, made_for, &model, args.seed(info.seed))?;
    tasks::recall(&mut tasks, &before);
    let locks = Replay::new(&mut tasks).locks(&log, networks, made_for, args.memory_bound())?;
    for (k, lock) in &locks {
        let path = args.lock_of(&networks[*k].path, networks.len());
        write_lock(&path, lock)?;
        cnnc_cli::say(&format!("{}: wrote {}\n", networks[*k].name(), path.display()))?;
    }
    let (count, locks) = (log.len(), locks.len());
    cnnc_cli::say(&format!("session {}: {count} trials as the search proposes them, {locks} locks\n", info.id))
}

/// A search under replay.
pub struct Replay<'a> {
    tasks: &'a mut [Task],
    /// What is left of the round of each task.
    rounds: HashMap<usize, Vec<usize>>,
}

impl<'a> Replay<'a> {
    /// Of tasks that know what was known when the session began.
    pub fn new(tasks: &'a mut [Task]) -> Replay<'a> {
        Replay { tasks, rounds: HashMap::new() }
    }

    /// The locks of networks, in the order in which the session wrote them; those of lists within a bound of memory.
    pub fn locks(
        &mut self,
        log: &[Record],
        networks: &[Network],
        made_for: MadeFor,
        bound: Option<u64>,
    ) -> Result<Vec<(usize, Lock)>, CliError> {
        let mut locks = vec![];
        for record in log.iter().filter(|record| record.trial.layouts().is_none()) {
            let trial = &record.trial;
            let verdict_on = |network: &Network| trial.workload.of_network() == Some(&*network.name());
            if let Some(k) = networks.iter().position(verdict_on) {
                locks.push((k, verdict::lock(&networks[k], self.tasks, trial, made_for)?));
                continue;
            }
            self.step(trial).map_err(|what| {
                CliError::Usage(format!("trial {} of session {}: {what}", record.index, record.session.id))
            })?;
        }
        for (k, list) in networks.iter().enumerate().filter(|(_, network)| network.graph.is_none()) {
            let picks = picks(list, self.tasks, bound)?;
            locks.push((k, made_for.lock(list.spots(), self.tasks, &|task| picks[task])));
        }
        Ok(locks)
    }

    fn step(&mut self, trial: &Trial) -> Result<(), String> {
        let is_of =
            |task: &Task| (&task.workload, &task.input, &task.output) == (&trial.workload, &trial.input, &trial.output);
        let task = self.tasks.iter().position(is_of);
        let task = task.ok_or_else(|| format!("{} is no layer of these models", trial.workload))?;
        let known = self.is_known(task, trial);
        let search = &mut self.tasks[task].search;
        if known {
            // A comparison at the end.
            search.note(trial);
            return Ok(());
        }
        let round = self.rounds.entry(task).or_insert_with(|| search.propose());
        let at = round.iter().position(|&k| search.points()[k].candidate.to_string() == trial.candidate);
        let other = || format!("{} is not what the search proposes for {}", trial.candidate, trial.workload);
        round.swap_remove(at.ok_or_else(other)?);
        search.note(trial);
        if round.is_empty() {
            self.rounds.remove(&task);
            search.end_round();
        }
        Ok(())
    }

    /// Whether a trial's candidate was tried before.
    fn is_known(&self, task: usize, trial: &Trial) -> bool {
        let search = &self.tasks[task].search;
        search.point_named(&trial.candidate).and_then(|point| search.found(point)).is_some()
    }
}
