//! `cnnc bench`: the latency of a network.

use crate::args::SourceArgs;
use crate::source::{self, Source};
use crate::{CliError, feeds};
use cnnc_runtime::statistics::{Ratio, median};
use cnnc_runtime::{Model, Session};
use cnnc_tensor::Tensor;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Parts of a comparison, each with buffers of their own: where these lie in the caches, which share their sets by
/// addresses, makes up to 5% of a network's time, and is the same for all runs of a session.
const PARTS: usize = 6;
/// Turns of a part at least.
const PART: usize = 3;

const EXAMPLES: &str = "\
Examples:
  cnnc bench net.cnna --threads 1 --iters 200
  cnnc bench net.onnx --shape data=8x3x224x224 --json
  cnnc bench tuned.cnna --against untuned.cnna --threads 1";

/// Measure the latency of a model or an artifact
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The network and what it is fed.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Runs that are measured, after a warm-up [default: about a second's worth]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    iters: Option<u32>,
    /// Another model or artifact to take turns with, run by run, so that both see the same moods of the machine: how many
    /// times as long it takes is known far better than from two calls
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    isa: &'a str,
    backend: &'a str,
    threads: usize,
    iters: usize,
    latency_ms: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

#[derive(Serialize)]
struct Against {
    file: PathBuf,
    latency_ms: Latency,
    /// How many times as long it takes: the median ratio of the two runs of a turn.
    ratio: f64,
    /// Two standard errors of that, as a share of it: of turns, or of buffers placed anew where that matters more.
    uncertain: f64,
}

#[derive(Serialize)]
struct Latency {
    median: f64,
    min: f64,
    p90: f64,
    mean: f64,
}

impl Latency {
    /// Of the milliseconds of some runs.
    fn of(samples: &[f64]) -> Latency {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quantile: f64| sorted[((sorted.len() - 1) as f64 * quantile).round() as usize];
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Latency { median: median(&sorted).unwrap_or_default(), min: sorted[0], p90: at(0.9), mean }
    }
}

/// A network that is ready to be run again and again.
pub struct Ready {
    /// The session.
    pub session: Session,
    /// Inputs.
    pub inputs: Vec<Tensor>,
    /// Outputs, to be overwritten.
    pub outputs: Vec<Tensor>,
}

impl Ready {
    /// Makes a session, and tensors for the inputs that are not given.
    pub fn new(source: Source, threads: Option<usize>) -> Result<Ready, CliError> {
        let (model, mut given) = (source.model, source.feeds);
        let inputs = model.inputs().iter().map(|io| given.remove(&io.name).map_or_else(|| feeds::seeded(io), Ok));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let mut session = Session::new(&model, threads.unwrap_or(model.plan().threads as usize))?;
        let outputs = session.run_tensors(&inputs)?;
        let outputs = outputs.into_iter().zip(model.outputs()).map(|(tensor, io)| {
            let full = Tensor::zeros(tensor.dtype(), &io.dims, tensor.layout());
            full.map_err(|e| CliError::Usage(format!("output {io}: {e}")))
        });
        Ok(Ready { session, inputs, outputs: outputs.collect::<Result<Vec<_>, _>>()? })
    }

    /// Calls `run` with the session and its buffers.
    pub fn with<T>(&mut self, run: impl FnOnce(&mut Session, &[&[u8]], &mut [&mut [u8]]) -> T) -> T {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Tensor::bytes).collect();
        let mut outputs: Vec<&mut [u8]> = self.outputs.iter_mut().map(Tensor::bytes_mut).collect();
        run(&mut self.session, &inputs, &mut outputs)
    }

    /// Milliseconds of one run.
    fn once(&mut self) -> Result<f64, CliError> {
        self.with(|session, inputs, outputs| {
            let begin = Instant::now();
            session.run(inputs, outputs)?;
            Ok(begin.elapsed().as_secs_f64() * 1e3)
        })
    }

    /// Runs until caches, clocks and threads are warm, and tells the time of a run.
    pub fn warm_up(&mut self) -> Result<Duration, CliError> {
        self.with(|session, inputs, outputs| {
            let start = Instant::now();
            let mut best = Duration::MAX;
            for k in 0..50 {
                if k >= 3 && start.elapsed() > Duration::from_millis(100) {
                    break;
                }
                let begin = Instant::now();
                session.run(inputs, outputs)?;
                best = best.min(begin.elapsed());
            }
            Ok(best)
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let threads = args.source.threads();
    let source = source::load(&args.source)?;
    let model: Arc<Model> = source.model.clone();
    let against = args.against.as_ref().map(|file| SourceArgs { model: file.clone(), ..args.source.clone() });
    let against = against.as_ref().map(source::load).transpose()?;
    let mut ready = Ready::new(source.clone(), threads)?;
    let once = ready.warm_up()?;
    let enough = (1.0 / once.as_secs_f64().max(1e-6)).clamp(5.0, 10_000.0) as usize;
    let iters = args.iters.map_or(enough, |n| n as usize);
    let parts = match against {
        Some(against) => compare([against, source], threads, iters)?,
        None => vec![[vec![], (0..iters).map(|_| ready.once()).collect::<Result<_, _>>()?]],
    };
    let [others, own] = [0, 1].map(|k| parts.iter().flat_map(|part| part[k].iter().copied()).collect::<Vec<f64>>());
    let against = args.against.clone().zip(Ratio::of_parts(&parts)).map(|(file, ratio)| Against {
        file,
        latency_ms: Latency::of(&others),
        ratio: ratio.median,
        uncertain: 2.0 * ratio.error,
    });
    let report = Report {
        model: model.name(),
        isa: model.isa().name(),
        backend: model.backend(),
        threads: ready.session.threads(),
        iters,
        latency_ms: Latency::of(&own),
        against,
    };
    crate::say(&if args.json { crate::json(&report)? } else { text(&report) })
}

/// Milliseconds of two networks in turn, so many runs of each, part by part.
fn compare(sources: [Source; 2], threads: Option<usize>, iters: usize) -> Result<Vec<[Vec<f64>; 2]>, CliError> {
    let parts = (iters / PART).clamp(1, PARTS);
    // What a part leaves is freed after the next has its own: it would get the same again.
    let (mut timed, mut before) = (vec![], None);
    for part in 0..parts {
        let mut both = vec![];
        for source in &sources {
            let mut ready = Ready::new(source.clone(), threads)?;
            ready.warm_up()?;
            both.push(ready);
        }
        let mut times = [vec![], vec![]];
        for turn in iters * part / parts..iters * (part + 1) / parts {
            // Whoever goes first in a turn may be the better off for it.
            for k in [turn % 2, 1 - turn % 2] {
                times[k].push(both[k].once()?);
            }
        }
        timed.push(times);
        drop(before.replace(both));
    }
    Ok(timed)
}

fn text(report: &Report) -> String {
    let Latency { median, min, p90, .. } = report.latency_ms;
    let threads = if report.threads == 1 { "1 thread".into() } else { format!("{} threads", report.threads) };
    let Report { model, isa, backend, iters, .. } = report;
    let own = format!(
        "{model}: median {median:.3} ms, min {min:.3} ms, p90 {p90:.3} ms over {iters} runs on {threads} ({isa}, {backend})\n"
    );
    let Some(Against { file, latency_ms, ratio, uncertain }) = &report.against else { return own };
    let Latency { median, min, p90, .. } = latency_ms;
    format!(
        "{own}{}: median {median:.3} ms, min {min:.3} ms, p90 {p90:.3} ms; {ratio:.3} times as long (+-{:.1}%)\n",
        file.display(),
        uncertain * 1e2
    )
}
