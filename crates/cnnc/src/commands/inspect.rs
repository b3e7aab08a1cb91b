//! `cnnc inspect`: what an artifact holds.

use crate::CliError;
use crate::table::{Table, bytes, shortened};
use cnnc_artifact::{ArtifactError, Io, Layer, Reader, StoredVariant, format};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cnnc inspect net.cnna
  cnnc inspect net.cnna --json | jq '.variants[0].layers[].candidate'";

/// Show what an artifact holds, and check it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The artifact (.cnna)
    artifact: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    producer: &'a str,
    format: u32,
    bytes: u64,
    variants: Vec<VariantReport<'a>>,
}

#[derive(Serialize)]
struct VariantReport<'a> {
    target: &'a str,
    backend: &'a str,
    threads: u32,
    inputs: &'a [Io],
    outputs: &'a [Io],
    steps: usize,
    kernels: usize,
    code_bytes: usize,
    constant_bytes: u64,
    arena_bytes: u64,
    scratch_bytes: u64,
    max_error: f64,
    expected_error: f64,
    layers: &'a [Layer],
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let named = |error: ArtifactError| match error {
        ArtifactError::Read { .. } => CliError::Artifact(error),
        _ => CliError::File { path: args.artifact.clone(), what: error.to_string() },
    };
    let reader = Reader::open(&args.artifact).map_err(named)?;
    reader.verify_all().map_err(named)?;
    let variants = reader.variants().iter().enumerate().map(|(k, variant)| describe(&reader, k, variant));
    let report = Report {
        model: reader.model(),
        producer: reader.producer(),
        format: format::VERSION,
        bytes: reader.bytes().len() as u64,
        variants: variants.collect(),
    };
    if args.json { crate::say(&crate::json(&report)?) } else { crate::say(&text(&report)) }
}

fn describe<'a>(reader: &'a Reader, k: usize, variant: &'a StoredVariant) -> VariantReport<'a> {
    let plan = &variant.plan;
    VariantReport {
        target: &variant.isa,
        backend: &variant.backend,
        threads: plan.threads,
        inputs: &plan.inputs,
        outputs: &plan.outputs,
        steps: plan.steps.len(),
        kernels: plan.kernels.len(),
        code_bytes: reader.code(k).len(),
        constant_bytes: reader.constant_bytes(k),
        arena_bytes: plan.arena_bytes,
        scratch_bytes: plan.scratch_bytes,
        max_error: plan.max_error,
        expected_error: plan.expected_error,
        layers: &plan.layers,
    }
}

fn text(report: &Report) -> String {
    let (model, producer, size) = (report.model, report.producer, bytes(report.bytes));
    let mut text = format!("{model}: {producer} (format {}), {size}\n", report.format);
    for variant in &report.variants {
        text += &format!("\n{} ({}), for up to {} threads\n", variant.target, variant.backend, variant.threads);
        for io in variant.inputs {
            text += &format!("  input   {io}\n");
        }
        for io in variant.outputs {
            text += &format!("  output  {io}{}\n", if io.extent.is_some() { " (axis 0 at most)" } else { "" });
        }
        text += &format!(
            "  code {}, constants {}, arena {}, scratch {} a thread; {} layers, {} steps, {} kernels\n",
            bytes(variant.code_bytes as u64),
            bytes(variant.constant_bytes),
            bytes(variant.arena_bytes),
            bytes(variant.scratch_bytes),
            variant.layers.len(),
            variant.steps,
            variant.kernels
        );
        text += &format!(
            "  error of the outputs: bound {:.1e}, expected {:.1e} by the layers' declared errors\n\n",
            variant.max_error, variant.expected_error
        );
        let mut table =
            Table::new(&["layer", "op", "output", ">MFLOP", ">error", ">workspace", "chosen by", "candidate"]);
        for layer in variant.layers {
            let megaflops = format!("{:.2}", layer.flops * 1e-6);
            let (op, output, candidate) = (layer.op.clone(), layer.output.clone(), layer.candidate.clone());
            let (error, workspace) = (format!("{:.1e}", layer.error), bytes(layer.workspace));
            let by = if layer.chosen_by.is_empty() { "estimate".into() } else { layer.chosen_by.clone() };
            table.row(vec![shortened(&layer.name), op, output, megaflops, error, workspace, by, candidate]);
        }
        text += &table.to_string();
    }
    text
}
