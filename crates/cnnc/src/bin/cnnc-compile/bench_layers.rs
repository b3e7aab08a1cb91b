//! `cnnc bench-layers`: layers alone under many candidates: time, rate, error.
//!
//! Each candidate is compiled into a network of its own, with the conversions to and from its layouts around the layer;
//! only the layer's steps are timed. Candidates of a layer take turns, so that a machine that slows down slows all.

mod progress;
mod report;

use crate::failure;
use crate::options::{backend, isas};
use crate::shapes::parse_list;
use cnnc_autotune::layer::{Measurer, contents, target_here};
use cnnc_cli::commands::bench_layers::Args;
use cnnc_cli::{CliError, process};
use cnnc_compiler::shapes::Layer;
use cnnc_compiler::{Way, ways};
use cnnc_lower::{Breadth, Class};
use cnnc_tensor::Target;
use progress::Progress;
use report::{LayerReport, Report};
use std::collections::HashMap;
use std::io::Read;

/// A layer is not run under a generic candidate that is estimated to take so many times as long as the best.
const HOPELESS: f64 = 30.0;

pub fn run(args: &Args) -> Result<(), CliError> {
    let layers = read(args)?;
    for name in &args.algorithm {
        if cnnc_lower::find(name).is_none() {
            let what = format!("there is no algorithm {name}; `cnnc list algorithms` shows them");
            return Err(CliError::Usage(what));
        }
    }
    let isa = isas(std::slice::from_ref(&args.target))?[0];
    let backend = backend(args.backend);
    let target = target_here(isa, backend, usize::from(args.threads));
    let mut report = Report::new(&target, &backend.version());
    let measurer = Measurer { target: &target, backend, seconds: args.seconds, interrupted: &process::interrupted };
    process::catch_interrupts();
    let mut progress = Progress::new(layers.len());
    for (k, layer) in layers.iter().enumerate() {
        progress.begins(k);
        let timed = one(args, layer, &target, &measurer, &report)?;
        progress.clear();
        if process::interrupted() {
            break;
        }
        if !args.json {
            cnnc_cli::say(&report::text(&timed, k, layers.len()))?;
        }
        report.layers.push(timed);
    }
    report.complete = report.layers.len() == layers.len();
    cnnc_cli::say(&if args.json { cnnc_cli::json(&report)? } else { report::summary(&report) })
}

fn one(
    args: &Args,
    layer: &Layer,
    target: &Target,
    measurer: &Measurer,
    report: &Report,
) -> Result<LayerReport, CliError> {
    let contents = contents::of(layer).map_err(failure::tune)?;
    let graph = layer.graph(&contents).map_err(|e| CliError::Usage(e.to_string()))?;
    let all = ways(&graph, target, Breadth::Offered).map_err(failure::compile)?;
    let picked = pick(all, args);
    let timed = measurer.measure(layer, &graph, &contents, picked).map_err(failure::tune)?;
    Ok(LayerReport::new(layer, timed, report.peak_gflops))
}

/// The ways to be timed.
fn pick(all: Vec<Way>, args: &Args) -> Vec<Way> {
    let best = all.first().map_or(0.0, |way| way.seconds);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    all.into_iter()
        .filter(|way| args.algorithm.is_empty() || args.algorithm.iter().any(|name| name == way.algorithm.name))
        .filter(|way| {
            let named = !args.algorithm.is_empty();
            named || way.algorithm.class != Class::Generic || way.seconds < HOPELESS * best
        })
        .filter(|way| {
            let count = counts.entry(way.algorithm.name).or_default();
            *count += 1;
            *count <= args.candidates.0
        })
        .collect()
}

fn read(args: &Args) -> Result<Vec<Layer>, CliError> {
    let path = &args.shapes;
    let failed = |source| CliError::Read { path: path.clone(), source };
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
    } else {
        text = std::fs::read_to_string(path).map_err(failed)?;
    }
    let layers = parse_list(path, &text)?;
    let wanted = |layer: &Layer| args.only.as_ref().is_none_or(|text| layer.to_string().contains(text.as_str()));
    let layers: Vec<Layer> = layers.into_iter().filter(wanted).collect();
    if layers.is_empty() {
        return Err(CliError::File { path: path.clone(), what: "no layer to time".into() });
    }
    Ok(layers)
}
