//! Structure-aware fuzzing with Rust alone: `cnnc-fuzz import|text|artifact --seconds N --seed S`.
//!
//! Each input is a seed that was changed in its structure, and goes through the part of cnnc that would read it. A
//! finding is a panic, a broken promise, more than ten seconds, or more memory than ten times the input and what it
//! declares. Its input is written to a file, which `--replay FILE` runs again. Exit code 1 where there was a finding.

mod artifact;
mod import;
mod import_edit;
mod memory;
mod models;
mod random;
mod text;
mod watch;

use clap::{Parser, ValueEnum};
use random::Random;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// ONNX import, passes, choice, lowering.
    Import,
    /// Parsers and verifiers of graph and kernel text.
    Text,
    /// The artifact reader, and loading without running.
    Artifact,
}

#[derive(Debug, Parser)]
#[command(name = "cnnc-fuzz", about = "Fuzzes what reads files")]
struct Args {
    what: What,
    /// How long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Start of the random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where inputs of findings go.
    #[arg(long, default_value = "target/fuzz")]
    out: PathBuf,
    /// Runs one file again.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Appends a result line (JSON) to this file.
    #[arg(long)]
    result: Option<PathBuf>,
}

/// What an input may use and what came of it.
pub struct Outcome {
    /// Whether the input was accepted.
    pub accepted: bool,
    /// Bytes that the input declares: tensors, areas.
    pub declared: u64,
    /// A promise that does not hold.
    pub broken: Option<String>,
}

/// Something that makes inputs and tries them.
pub trait Target {
    /// A new input.
    fn input(&mut self, random: &mut Random) -> Vec<u8>;
    /// Tries an input. Everything random in it comes from the input, so that it can be replayed.
    fn run(&mut self, input: &[u8]) -> Outcome;
    /// Bytes that any input may use, whatever its size.
    fn allowance(&self) -> u64;
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    // The command line works on the main thread, which has 8 MiB of stack.
    let worker = std::thread::Builder::new().name("fuzz".into()).stack_size(8 << 20).spawn(move || work(&args));
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(0))) => std::process::ExitCode::SUCCESS,
        Ok(Ok(Err(error))) => {
            eprintln!("error: {error}");
            std::process::ExitCode::from(2)
        }
        Ok(Ok(Ok(_))) => std::process::ExitCode::FAILURE,
        Ok(Err(_)) => {
            eprintln!("error: the fuzzer itself: {}", watch::last_panic());
            std::process::ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::from(2)
        }
    }
}

/// Runs until the time is over; the number of findings.
fn work(args: &Args) -> std::io::Result<u64> {
    let mut target: Box<dyn Target> = match args.what {
        What::Import => Box::new(import::Import::new()),
        What::Text => Box::new(text::Text::new()),
        What::Artifact => Box::new(artifact::Artifact::new().map_err(std::io::Error::other)?),
    };
    let name = format!("{:?}", args.what).to_lowercase();
    let mut watch = watch::Watch::new(&args.out, &name)?;
    if let Some(file) = &args.replay {
        let input = std::fs::read(file)?;
        watch.run(target.as_mut(), &input)?;
        println!("{}: {} findings, peak {} bytes", file.display(), watch.findings(), watch.most_bytes);
        return Ok(watch.findings());
    }
    let (start, most) = (Instant::now(), Duration::from_secs(args.seconds));
    let mut executions = 0u64;
    while start.elapsed() < most && watch.findings() < 100 {
        let mut random = Random::new(args.seed.wrapping_mul(0x1_0000_0001).wrapping_add(executions));
        let input = target.input(&mut random);
        watch.run(target.as_mut(), &input)?;
        executions += 1;
    }
    let (seconds, findings) = (start.elapsed().as_secs(), watch.findings());
    let result = format!(
        "{{\"date\": {}, \"what\": \"fuzz {name}\", \"seed\": {}, \"seconds\": {seconds}, \"executions\": {executions}, \
         \"accepted\": {}, \"peak_bytes\": {}, \"slowest_ms\": {}, \"findings\": {findings}}}",
        serde_json::Value::from(std::env::var("CNNC_DATE").unwrap_or_default()),
        args.seed,
        watch.accepted,
        watch.most_bytes,
        watch.slowest.as_millis(),
    );
    println!("{result}");
    if let Some(path) = &args.result {
        let mut file = std::fs::File::options().append(true).create(true).open(path)?;
        std::io::Write::write_all(&mut file, format!("{result}\n").as_bytes())?;
    }
    Ok(findings)
}
