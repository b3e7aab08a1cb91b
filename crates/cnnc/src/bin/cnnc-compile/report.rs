//! `cnnc report`: the tuning database as a page. It reads layers' lines, which is the compiler's business.

use crate::shapes::read_list;
use crate::{database, failure};
use cnnc_artifact::write_atomically;
use cnnc_autotune::report::{Peers, Report, sections};
use cnnc_autotune::{Database, Setting};
use cnnc_cli::CliError;
use cnnc_cli::commands::report::Args;
use cnnc_cli::table::bytes;
use cnnc_runtime::machine::Machine;
use std::io::Write;
use std::path::Path;

pub fn run(args: &Args) -> Result<(), CliError> {
    let path = database::users(args.database.as_deref().or(args.db.as_deref()))?;
    let layers = args.layers.as_deref().map(read_list).transpose()?;
    let peers = args.peers.iter().map(|path| peers(path)).collect::<Result<Vec<_>, _>>()?;
    let database = Database::open(&path).map_err(failure::database)?;
    database.check().map_err(failure::database)?;
    let settings = database.settings().map_err(failure::database)?;
    let machines = machines(&args.machine_file, &settings)?;
    let sections = sections(&database, layers.as_deref(), &machines).map_err(failure::database)?;
    if sections.is_empty() {
        let what = match (settings.is_empty(), &args.layers) {
            (false, Some(list)) => {
                format!("has no trial of a layer of {}: tune the model that they are of", list.display())
            }
            _ => "has no trials: `cnnc tune MODEL.onnx` makes some".into(),
        };
        return Err(CliError::File { path, what });
    }
    let report = Report { subject: name(&path), sections, peers };
    write(&args.output, &report)
}

fn write(output: &Path, report: &Report) -> Result<(), CliError> {
    let html = report.html();
    if output == Path::new("-") {
        return cnnc_cli::say(&html);
    }
    write_atomically(output, |file| file.write_all(html.as_bytes()))?;
    let trials: usize = report.sections.iter().map(|section| section.trials).sum();
    let settings = match report.sections.len() {
        1 => "one setting".into(),
        count => format!("{count} settings"),
    };
    cnnc_cli::say(&format!("{}: {trials} trials in {settings}, {}\n", output.display(), bytes(html.len() as u64)))
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.into(), source })
}

fn wrong(path: &Path, what: String) -> CliError {
    CliError::File { path: path.into(), what }
}

fn peers(path: &Path) -> Result<Peers, CliError> {
    Peers::parse(&name(path), &read(path)?).map_err(|what| wrong(path, what))
}

/// The machines whose ceilings are known. A file is of no use where the database has no trial of its machine.
fn machines(paths: &[std::path::PathBuf], settings: &[Setting]) -> Result<Vec<Machine>, CliError> {
    let mut machines = vec![];
    for path in paths {
        let machine: Machine = serde_json::from_str(&read(path)?)
            .map_err(|e| wrong(path, format!("not what `cnnc machine --json` prints: {e}")))?;
        if !settings.is_empty() && !settings.iter().any(|setting| setting.machine == machine.fingerprint) {
            return Err(wrong(path, "of another machine than any that the database has trials of".into()));
        }
        machines.push(machine);
    }
    machines.extend(Machine::cached());
    Ok(machines)
}

/// The name of a file without its folders, which are nobody's business where the page is read.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
