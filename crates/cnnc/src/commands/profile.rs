//! `cnnc profile`: where the time of a network goes, layer by layer, beside what each layer takes alone.

mod alone;

use crate::args::SourceArgs;
use crate::commands::bench::Ready;
use crate::table::{Table, shortened};
use crate::{CliError, source, trace};
use alone::Alone;
use cnnc_runtime::{Model, Timeline, measure_peak_gflops};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  cnnc profile net.cnna --threads 1
  cnnc profile net.cnna --by-class
  cnnc profile net.onnx --shape data=1x3x224x224 --trace net.trace.json   (chrome://tracing, ui.perfetto.dev)";

/// Show the time of each layer of a model or an artifact
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The network and what it is fed.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Runs that are measured; each layer's time is the median
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    iters: u32,
    /// Leave out the times of each layer alone
    #[arg(long)]
    no_alone: bool,
    /// Only the sums by class of layer
    #[arg(long)]
    by_class: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the last run as a trace for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    isa: &'a str,
    backend: &'a str,
    threads: usize,
    /// Measured peak of multiply-adds on those threads.
    peak_gflops: Option<f64>,
    /// Sum over the layers.
    total_ms: f64,
    /// Sums of the layers alone: activations warm, weights warm or in memory.
    alone: Option<AloneSums>,
    /// The bound on the outputs' error that the network was compiled for.
    max_error: f64,
    /// What the layers' declared errors add up to.
    expected_error: f64,
    /// Share of the time in generic loop kernels.
    generic_share: f64,
    layers: Vec<LayerTime<'a>>,
    classes: Vec<ClassTime>,
}

#[derive(Serialize)]
struct AloneSums {
    warm_ms: f64,
    cold_ms: f64,
    /// Time in the network by the cold sum.
    total_by_cold: f64,
}

#[derive(Serialize)]
struct LayerTime<'a> {
    name: &'a str,
    op: &'a str,
    candidate: &'a str,
    output: &'a str,
    generic: bool,
    /// Declared error relative to the layer's largest result element.
    error: f64,
    /// Bytes of workspace, all threads together.
    workspace: u64,
    ms: f64,
    /// Alone, with warm activations and weights.
    warm_ms: Option<f64>,
    /// Alone, with warm activations and weights in memory.
    cold_ms: Option<f64>,
    share: f64,
    gflops: f64,
    peak_share: Option<f64>,
}

#[derive(Serialize)]
struct ClassTime {
    class: String,
    layers: usize,
    ms: f64,
    share: f64,
    gflops: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let threads = args.source.threads();
    let source = source::load(&args.source)?;
    let model = source.model.clone();
    let mut ready = Ready::new(source, threads)?;
    ready.warm_up()?;
    let (times, timeline) = measure(&mut ready, args.iters as usize)?;
    let alone = if args.no_alone { None } else { Some(alone::measure(&mut ready)?) };
    let threads = ready.session.threads();
    let report = report(&model, &times, alone.as_deref(), threads, measure_peak_gflops(threads));
    if let Some(path) = &args.trace {
        trace::write(path, &model, &timeline)?;
    }
    crate::say(&if args.json { crate::json(&report)? } else { text(&report, args.by_class) })
}

/// Median seconds of each step, and the timeline of the last run.
fn measure(ready: &mut Ready, iters: usize) -> Result<(Vec<f64>, Timeline), CliError> {
    let steps = ready.session.model().plan().steps.len();
    let mut samples = vec![Vec::with_capacity(iters); steps];
    let mut timeline = Timeline::new();
    ready.with(|session, inputs, outputs| -> Result<(), CliError> {
        for _ in 0..iters {
            session.run_timed(inputs, outputs, &mut timeline)?;
            for (k, samples) in samples.iter_mut().enumerate() {
                samples.push(timeline.step(k).as_secs_f64());
            }
        }
        Ok(())
    })?;
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    Ok((samples.into_iter().map(median).collect(), timeline))
}

fn report<'a>(
    model: &'a Arc<Model>,
    times: &[f64],
    alone: Option<&[Alone]>,
    threads: usize,
    peak_gflops: Option<f64>,
) -> Report<'a> {
    let plan = model.plan();
    let mut seconds = vec![0.0; plan.layers.len()];
    for (step, time) in plan.steps.iter().zip(times) {
        seconds[step.layer as usize] += time;
    }
    let total: f64 = seconds.iter().sum();
    let share = |time: f64| if total > 0.0 { time / total } else { 0.0 };
    let rate = |flops: f64, time: f64| if time > 0.0 { flops / time * 1e-9 } else { 0.0 };
    let mut classes: BTreeMap<&str, (usize, f64, f64)> = BTreeMap::new();
    let mut layers = vec![];
    for (k, (layer, &time)) in plan.layers.iter().zip(&seconds).enumerate() {
        let own = alone.and_then(|alone| alone.get(k));
        let class = classes.entry(&layer.op).or_default();
        *class = (class.0 + 1, class.1 + time, class.2 + layer.flops);
        let gflops = rate(layer.flops, time);
        layers.push(LayerTime {
            name: &layer.name,
            op: &layer.op,
            candidate: &layer.candidate,
            output: &layer.output,
            generic: layer.generic,
            error: layer.error,
            workspace: layer.workspace,
            ms: time * 1e3,
            warm_ms: own.map(|alone| alone.warm * 1e3),
            cold_ms: own.map(|alone| alone.cold * 1e3),
            share: share(time),
            gflops,
            peak_share: peak_gflops.map(|peak| gflops / peak),
        });
    }
    let classes = classes.into_iter().map(|(class, (layers, time, flops))| {
        let class = class.to_string();
        ClassTime { class, layers, ms: time * 1e3, share: share(time), gflops: rate(flops, time) }
    });
    let mut classes: Vec<ClassTime> = classes.collect();
    classes.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Report {
        model: model.name(),
        isa: model.isa().name(),
        backend: model.backend(),
        threads,
        peak_gflops,
        total_ms: total * 1e3,
        alone: alone.map(|alone| {
            let (warm, cold) = alone.iter().fold((0.0, 0.0), |sum, own| (sum.0 + own.warm, sum.1 + own.cold));
            let total_by_cold = if cold > 0.0 { total / cold } else { 0.0 };
            AloneSums { warm_ms: warm * 1e3, cold_ms: cold * 1e3, total_by_cold }
        }),
        max_error: plan.max_error,
        expected_error: plan.expected_error,
        generic_share: layers.iter().filter(|l| l.generic).fold(0.0, |sum, l| sum + l.share),
        layers,
        classes,
    }
}

fn text(report: &Report, by_class: bool) -> String {
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    let rate = |gflops: f64| if gflops > 0.0 { format!("{gflops:.1}") } else { "-".into() };
    let threads = if report.threads == 1 { "1 thread".into() } else { format!("{} threads", report.threads) };
    let mut text = format!("{} on {threads} ({}, {})\n", report.model, report.isa, report.backend);
    if !by_class {
        let mut headings = vec!["layer", "op", "output", ">ms"];
        if report.alone.is_some() {
            headings.extend([">alone, warm", ">cold weights"]);
        }
        headings.extend([">share %", ">GFLOP/s", ">% of peak", ">error", "candidate"]);
        let mut table = Table::new(&headings);
        for l in &report.layers {
            let peak = l.peak_share.filter(|s| *s > 0.0).map_or("-".into(), percent);
            let (op, output, candidate) = (l.op.into(), l.output.into(), l.candidate.into());
            let mut row = vec![shortened(l.name), op, output, format!("{:.4}", l.ms)];
            row.extend([l.warm_ms, l.cold_ms].into_iter().flatten().map(|ms| format!("{ms:.4}")));
            row.extend([percent(l.share), rate(l.gflops), peak, format!("{:.1e}", l.error), candidate]);
            table.row(row);
        }
        text += &format!("{table}\n");
    }
    let mut table = Table::new(&["class", ">layers", ">ms", ">share %", ">GFLOP/s"]);
    for c in &report.classes {
        let ms = format!("{:.4}", c.ms);
        table.row(vec![c.class.clone(), c.layers.to_string(), ms, percent(c.share), rate(c.gflops)]);
    }
    let peak = report.peak_gflops.map_or("not measured".into(), |p| format!("{p:.0} GFLOP/s"));
    let generic = percent(report.generic_share);
    text += &format!("{table}total {:.3} ms; {generic}% in generic kernels; measured peak {peak}\n", report.total_ms);
    if let Some(AloneSums { warm_ms, cold_ms, total_by_cold }) = report.alone {
        text += &format!(
            "layers alone, activations warm: {warm_ms:.3} ms with warm weights, {cold_ms:.3} ms with cold weights; \
             the network takes {total_by_cold:.3} times the latter\n"
        );
    }
    text
}
