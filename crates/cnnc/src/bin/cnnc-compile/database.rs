//! The choices that the tuning database has for a network, where no lock file is given.

use cnnc_autotune::database::Limits;
use cnnc_autotune::{Database, DatabaseError, Setting, Workload, revision};
use cnnc_cli::CliError;
use cnnc_compiler::shapes::layers_of;
use cnnc_compiler::{Choices, MeasuredWay, Options, fuse_separable};
use cnnc_ir::graph::{Graph, Op, parse_candidate};
use cnnc_runtime::machine::fingerprint;
use cnnc_tensor::{Layout, Target, Term};
use std::path::{Path, PathBuf};

/// The database that is meant by `--db`: the user's where nothing is said, none where `none` is.
pub fn path(asked: Option<&Path>) -> Option<PathBuf> {
    match asked {
        Some(path) if path == Path::new("none") => None,
        Some(path) => Some(path.to_path_buf()),
        None => Database::default_path(),
    }
}

/// The database that is looked at: the one asked for, else the user's.
pub fn users(asked: Option<&Path>) -> Result<PathBuf, CliError> {
    asked.map(Path::to_path_buf).or_else(Database::default_path).ok_or_else(|| {
        CliError::Usage("neither XDG_DATA_HOME nor HOME says where the database is: use --db PATH".into())
    })
}

/// What code is made for and by in a compilation on this machine.
pub fn setting(options: &Options, target: &Target) -> Setting {
    Setting {
        isa: target.isa.name().into(),
        threads: target.threads,
        backend: options.backend.version(),
        revision: revision().into(),
        machine: fingerprint(),
    }
}

/// Gives targets the terms of the analytic costs that are kept for them. A database that cannot be read gives none; that it
/// cannot is said where its measurements are asked for.
pub fn calibrate(options: &mut Options, asked: Option<&Path>) {
    let Some(database) = path(asked).filter(|path| path.exists()).and_then(|path| Database::open(&path).ok()) else {
        return;
    };
    let settings: Vec<Setting> = options.targets.iter().map(|target| setting(options, target)).collect();
    for (target, setting) in options.targets.iter_mut().zip(settings) {
        for (name, value) in database.terms(&setting).ok().flatten().unwrap_or_default() {
            // A term that this build does not have is another's.
            if let Some(term) = Term::from_name(&name) {
                target.calibration.set(term, value);
            }
        }
    }
}

/// The fastest measured candidates of a network's layers. A database that cannot be read is a warning: the choice goes
/// by estimate then.
pub fn choices(asked: Option<&Path>, graph: &Graph, options: &Options) -> Choices {
    let mut choices = Choices::new("database", false);
    let Some(path) = path(asked).filter(|path| asked.is_some() || path.exists()) else { return choices };
    let added = Database::open(&path).and_then(|database| add(&mut choices, &database, graph, options));
    if let Err(error) = added {
        eprintln!("warning: choosing by estimate: {error}");
        return Choices::new("database", false);
    }
    choices
}

fn add(choices: &mut Choices, database: &Database, graph: &Graph, options: &Options) -> Result<(), DatabaseError> {
    let bounds = &options.bounds;
    let limits = Limits { max_error: bounds.max_error, max_workspace: bounds.workspace() as u64 };
    for target in &options.targets {
        let setting = setting(options, target);
        // Pairs of layers may be one, and be measured as that.
        let fused = fuse_separable(graph, target, &Choices::default());
        let mut layers = layers_of(graph);
        layers.extend(fused.iter().flat_map(layers_of).filter(|l| matches!(l.op, Op::Separable { .. })));
        for layer in layers {
            let workload = Workload(layer.workload());
            for ranked in database.best(&setting, &workload, limits, usize::MAX)? {
                let trial = &ranked.trial;
                let layouts = Layout::parse(&trial.input).zip(Layout::parse(&trial.output));
                // What this build cannot read was not written by it, whatever the record says.
                let Some(((input, output), candidate)) = layouts.zip(parse_candidate(&trial.candidate).ok()) else {
                    continue;
                };
                choices.add(target.isa, &workload.0, MeasuredWay { input, output, candidate, seconds: ranked.seconds });
            }
        }
    }
    Ok(())
}
