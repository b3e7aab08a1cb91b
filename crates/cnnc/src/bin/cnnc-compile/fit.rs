//! `cnnc db fit`: the terms of the analytic costs, fitted to the trials of this machine.

use crate::database::setting;
use crate::failure;
use crate::options::backend;
use cnnc_autotune::calibrate::{Fit, Loss, Targets, fit, steps};
use cnnc_autotune::database::Terms;
use cnnc_autotune::layer::target_here;
use cnnc_autotune::{Database, Setting};
use cnnc_cli::table::Table;
use cnnc_cli::{CliError, json, process, say};
use cnnc_compiler::Options;
use cnnc_tensor::{Calibration, Isa, Target, Term};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeSet;

/// What became of an instruction set.
#[derive(Serialize)]
struct Report {
    isa: &'static str,
    layers: usize,
    candidates: usize,
    loss: Loss,
    left_out: Loss,
    kept: bool,
    terms: Terms,
    /// What the fit started from.
    #[serde(skip)]
    usual: Calibration,
}

/// Fits the terms of each instruction set that this machine has trials of, made by this build's code generator.
pub fn run(database: &Database, dry_run: bool, forget: bool, as_json: bool) -> Result<(), CliError> {
    process::catch_interrupts();
    let backend = backend(None);
    let mut reports = vec![];
    for isa in Isa::ALL {
        let unknown = || CliError::Usage(format!("{isa} is not known here"));
        let options = Options::new(&[isa], backend, 1).ok_or_else(unknown)?;
        let target = &options.targets[0];
        let setting = setting(&options, target);
        if forget {
            database.keep_terms(&setting, None).map_err(failure::database)?;
            continue;
        }
        let records = database.records_alike(&setting).map_err(failure::database)?;
        let threads: BTreeSet<usize> = records.iter().map(|record| record.setting.threads).collect();
        let targets: Targets = threads.into_iter().map(|n| (n, target_here(isa, backend, n))).collect();
        let bar = ProgressBar::new(steps() as u64);
        bar.set_style(
            ProgressStyle::with_template("{wide_bar} {percent}% about {eta} left")
                .map_err(|e| CliError::Crash(format!("the bar that shows progress: {e}")))?,
        );
        let found = fit(&records, &targets, &mut || {
            bar.inc(1);
            !process::interrupted()
        });
        bar.finish_and_clear();
        if process::interrupted() {
            return Err(CliError::Interrupted("nothing is kept"));
        }
        let Some(found) = found.map_err(failure::tune)? else { continue };
        reports.push(report(database, &setting, target, &found, dry_run)?);
    }
    if as_json {
        return say(&json(&reports)?);
    }
    match (forget, reports.is_empty()) {
        (true, _) => say("no fitted terms are kept any more\n"),
        (false, true) => say("too few layers were measured on this machine for a fit: `cnnc tune` measures\n"),
        (false, false) => reports.iter().try_for_each(|report| say(&text(report, dry_run))),
    }
}

/// What a fit is worth; it is kept where it makes better choices for layers that it was not made from.
fn report(
    database: &Database,
    setting: &Setting,
    target: &Target,
    found: &Fit,
    dry_run: bool,
) -> Result<Report, CliError> {
    let terms: Terms = Term::ALL.into_iter().map(|t| (t.name().to_string(), found.calibration.get(t))).collect();
    let Fit { layers, candidates, loss, left_out, .. } = *found;
    let kept = left_out.after < left_out.before && !dry_run;
    if kept {
        database.keep_terms(setting, Some(&terms)).map_err(failure::database)?;
    }
    let (isa, usual) = (target.isa.name(), target.calibration);
    Ok(Report { isa, layers, candidates, loss, left_out, kept, terms, usual })
}

fn text(report: &Report, dry_run: bool) -> String {
    let Report { isa, layers, candidates, loss, left_out, .. } = report;
    let mut text = format!(
        "{isa}: {candidates} candidates of {layers} layers. Time of the choice by estimate over the best, geometric mean:\n\n"
    );
    let mut table = Table::new(&["", ">usual terms", ">fitted"]);
    for (name, loss) in [("layers left out of the fit", left_out), ("all layers, fitted to all", loss)] {
        table.row(vec![name.into(), format!("{:.3}", loss.before), format!("{:.3}", loss.after)]);
    }
    text += &table.to_string();
    let mut terms = Table::new(&["term", ">usual", ">fitted"]);
    for term in Term::ALL {
        let (before, after) = (report.usual.get(term), report.terms.get(term.name()).copied().unwrap_or_default());
        if before != after {
            terms.row(vec![term.name().into(), before.to_string(), after.to_string()]);
        }
    }
    text += &format!("\n{terms}\n");
    text += match (report.kept, dry_run) {
        (true, _) => "kept: choices by estimate go by them from now on (`cnnc db fit --forget` undoes that)\n",
        (false, true) => "nothing is kept\n",
        (false, false) => "not kept: they make no better choices for layers that were left out\n",
    };
    text
}
