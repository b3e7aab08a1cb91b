//! `cnnc bench`: the latency of a network.

use crate::args::SourceArgs;
use crate::{CliError, feeds, source};
use cnnc_runtime::{Model, Session};
use cnnc_tensor::Tensor;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  cnnc bench net.cnna --threads 1 --iters 200
  cnnc bench net.onnx --shape data=8x3x224x224 --json";

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
}

#[derive(Serialize)]
struct Latency {
    median: f64,
    min: f64,
    p90: f64,
    mean: f64,
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
    pub fn new(source: source::Source, threads: Option<usize>) -> Result<Ready, CliError> {
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
    let mut ready = Ready::new(source, threads)?;
    let once = ready.warm_up()?;
    let enough = (1.0 / once.as_secs_f64().max(1e-6)).clamp(5.0, 10_000.0) as usize;
    let iters = args.iters.map_or(enough, |n| n as usize);
    let mut samples = ready.with(|session, inputs, outputs| -> Result<Vec<f64>, CliError> {
        let mut samples = Vec::with_capacity(iters);
        for _ in 0..iters {
            let begin = Instant::now();
            session.run(inputs, outputs)?;
            samples.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        Ok(samples)
    })?;
    samples.sort_by(f64::total_cmp);
    let at = |quantile: f64| samples[((iters - 1) as f64 * quantile).round() as usize];
    let median = (samples[(iters - 1) / 2] + samples[iters / 2]) / 2.0;
    let mean = samples.iter().sum::<f64>() / iters as f64;
    let latency_ms = Latency { median, min: samples[0], p90: at(0.9), mean };
    let threads = ready.session.threads();
    let report =
        Report { model: model.name(), isa: model.isa().name(), backend: model.backend(), threads, iters, latency_ms };
    crate::say(&if args.json { crate::json(&report)? } else { text(&report) })
}

fn text(report: &Report) -> String {
    let Latency { median, min, p90, .. } = report.latency_ms;
    let threads = if report.threads == 1 { "1 thread".into() } else { format!("{} threads", report.threads) };
    let Report { model, isa, backend, iters, .. } = report;
    format!(
        "{model}: median {median:.3} ms, min {min:.3} ms, p90 {p90:.3} ms over {iters} runs on {threads} ({isa}, {backend})\n"
    )
}
