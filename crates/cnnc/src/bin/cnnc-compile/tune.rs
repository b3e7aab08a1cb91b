//! `cnnc tune`: candidates of all layers of some models, measured; the winners as lock files.
//!
//! Models are imported, their layouts settled in the running network ([`layouts`]), and their layers become tasks, each
//! once however many models have it. Tuning ([`cnnc_autotune::tuner`]) begins with what the database knows of this setting
//! and appends every trial to it. In the end the best few of each layer are compared within each running network
//! ([`settle`]). Then the network is compiled with the winners and without, and both are run in turn ([`verdict`]): where
//! the winners are no faster as a network, the lock holds what would have been chosen anyway.

mod chosen;
mod finish;
mod gap;
mod layouts;
mod networks;
mod observer;
mod picks;
mod ranks;
mod replay;
mod running;
mod settle;
mod tasks;
mod verdict;
mod workers;

use crate::options::options;
use crate::{database, failure};
use chosen::MadeFor;
use cnnc_artifact::write_atomically;
use cnnc_autotune::lock::Lock;
use cnnc_autotune::tuner::{Observer, TuneOptions, certify, tune};
use cnnc_autotune::worker::ranks::{Able, Place};
use cnnc_autotune::worker::{Pool, PoolOptions};
use cnnc_autotune::{Database, Trial};
use cnnc_cli::args::processors;
use cnnc_cli::commands::tune::Args;
use cnnc_cli::{CliError, process};
use cnnc_compiler::Options;
use cnnc_tensor::Target;
use finish::Finish;
use observer::Watch;
use ranks::Ranks;
use std::io::Write;
use std::path::{Path, PathBuf};
use workers::Workers;

/// Candidates of a layer that are certified against its winner.
const RIVALS: usize = 7;

pub fn run(args: &Args) -> Result<(), CliError> {
    let threads = args.threads.map_or_else(processors, usize::from);
    match ranks::others(|place| able(args, threads, place))? {
        Some(ranks) => search(args, threads, ranks),
        None => Ok(()),
    }
}

fn search(args: &Args, threads: usize, mut ranks: Ranks) -> Result<(), CliError> {
    let options = options(&args.compile, threads)?;
    let target = only(&options)?;
    let setting = database::setting(&options, target);
    let workers = Workers::new(args, threads, &ranks.place())?;
    let made_for = MadeFor { setting: &setting, options: &options, target };
    let path = database::path(args.compile.db.as_deref());
    let path = path.ok_or_else(|| CliError::Usage("tuning needs a database: say where with --db FILE".into()))?;
    let mut networks = networks::load(&args.models, &options, target)?;
    if let Some(session) = &args.replay {
        let database = Database::open(&path).map_err(failure::database)?;
        return replay::run(session, &mut networks, &database, made_for, args);
    }
    let locks: Vec<PathBuf> = networks.iter().map(|network| args.lock_of(&network.path, networks.len())).collect();
    // What cannot be written to is to be known before the time is spent.
    locks.iter().try_for_each(|path| can_be_written(path))?;
    let database = Database::open_or_create(&path).map_err(failure::database)?;
    process::catch_interrupts();
    let session = database.begin_session(args.seed, "tune").map_err(failure::database)?;
    let before = tasks::records(&database, &setting, session.started()).map_err(failure::database)?;
    let model = tasks::model(&before, &database, &setting, session.started()).map_err(failure::database)?;
    let mut watch = Watch::new(&database, session, &setting, args.json, args.budget);
    let known: Vec<&Trial> = before.iter().map(|record| &record.trial).collect();
    layouts::settle(&mut networks, made_for, &known, &mut watch)?;
    let (mut tasks, shared) = tasks::of(&networks, made_for, &model, args.seed(args.seed))?;
    let known = tasks::recall(&mut tasks, &before);
    watch.begins(&networks, &tasks, shared, known)?;
    let finish = Finish::plan(&networks, &tasks, &options, &mut watch)?;
    let mut pool = Pool::new(workers.options).map_err(|e| CliError::Crash(e.to_string()))?;
    let ranks_alone = ranks.enlist(&mut pool, &setting, workers.crowded, &watch)?;
    let tuning = TuneOptions {
        setting: setting.clone(),
        budget: args.budget.saturating_sub(watch.elapsed() + finish.duration()),
        networks: networks.len(),
        max_error: options.bounds.max_error,
        max_workspace: options.bounds.workspace() as u64,
        alone: workers.alone || ranks_alone,
    };
    tune(&mut tasks, &mut pool, &tuning, &mut watch);
    watch.tuned()?;
    if args.certify && !watch.interrupted() {
        let certificates = certify(&mut tasks, &mut pool, &tuning, &mut watch, RIVALS);
        watch.certified(&certificates)?;
    }
    ranks.dismiss(pool, &watch)?;
    let bound = args.memory_bound();
    for (k, (network, path)) in networks.iter().zip(&locks).enumerate() {
        watch.ending(network, finish.seconds_from(k));
        if network.graph.is_none() {
            let picks = picks::picks(network, &tasks, bound)?;
            write_lock(path, &made_for.lock(network.spots(), &tasks, &|task| picks[task]))?;
            watch.list(network, &tasks, path)?;
            continue;
        }
        watch.front(network, &picks::front(network, &tasks))?;
        if !watch.interrupted() && bound.is_none() {
            watch.phase(&format!("{}: its best candidates in turn within it", network.name()));
            settle::settle(network, &mut tasks, made_for, &finish, &mut watch)?;
        }
        watch.phase(&format!("{}: before and after", network.name()));
        let verdict = verdict::of(network, &tasks, made_for, (bound, finish.runs))?;
        watch.trial(&verdict.trial);
        write_lock(path, &verdict.lock)?;
        watch.network(&verdict, path)?;
    }
    watch.end()
}

/// What this rank can do for the first one, and with what processes.
fn able(args: &Args, threads: usize, place: &Place) -> Result<(Able, PoolOptions), CliError> {
    let options = options(&args.compile, threads)?;
    let setting = database::setting(&options, only(&options)?);
    let Workers { options, alone, crowded } = Workers::new(args, threads, place)?;
    Ok((Able { setting, compilers: options.compilers, alone, crowded }, options))
}

/// The target that is tuned for.
fn only(options: &Options) -> Result<&Target, CliError> {
    match &options.targets[..] {
        [target] => Ok(target),
        _ => Err(CliError::Usage("one instruction set is tuned for at a time: --target native, x86-64-v3, ..".into())),
    }
}

/// Writes a lock file; choices for other settings that the file has already stay.
fn write_lock(path: &Path, new: &Lock) -> Result<(), CliError> {
    let mut lock = read_lock(path)?;
    lock.sections.extend(new.sections.clone());
    Ok(write_atomically(path, |file| file.write_all(lock.to_string().as_bytes()))?)
}

/// Whether a lock can be written there: in a folder that exists, over nothing but a lock.
fn can_be_written(path: &Path) -> Result<(), CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(CliError::Usage(format!("-o {}: there is no folder {}", path.display(), folder.display())));
    }
    read_lock(path).map(drop)
}

/// The lock that is there; an empty one where there is none.
fn read_lock(path: &Path) -> Result<Lock, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Lock::parse(&text).map_err(|e| CliError::File { path: path.to_path_buf(), what: e.to_string() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(source) => Err(CliError::Read { path: path.to_path_buf(), source }),
    }
}
