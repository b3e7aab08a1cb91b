//! A worker compiles a candidate.

use super::code::KernelCode;
use super::fault::{self, Stage};
use super::kept::Kept;
use super::protocol::{Compile, CompileSpent, Compiled};
use crate::TuneError;
use crate::layer::target_here;
use cnnc_artifact::{Artifact, Plan, Variant};
use cnnc_codegen::Backend;
use cnnc_compiler::{CompileError, Way, alone_packed, lower};
use cnnc_ir::graph::{parse_candidate, verify};
use cnnc_tensor::{Isa, Layout, Target};
use std::collections::HashMap;
use std::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// Most threads that a layer is cut for.
const MOST_THREADS: usize = 1024;

/// What is kept between compilations, besides layers.
#[derive(Default)]
pub(super) struct Compiler {
    code: KernelCode,
    targets: HashMap<(Isa, Backend, usize), Target>,
}

impl Compiler {
    /// Compiles a candidate into an artifact.
    pub(super) fn compile(&mut self, request: &Compile, kept: &mut Kept) -> Result<Compiled, TuneError> {
        let mut spent = CompileSpent::default();
        let mut clock = Instant::now();
        fault::misbehave(Stage::Compile, &request.candidate);
        let (isa, backend) = (isa(&request.isa)?, backend(&request.backend)?);
        let threads = request.threads.clamp(1, MOST_THREADS);
        let target = self.targets.entry((isa, backend, threads)).or_insert_with(|| target_here(isa, backend, threads));
        let candidate = parse_candidate(&request.candidate)
            .map_err(|what| TuneError::Layer(format!("candidate {}: {what}", request.candidate)))?;
        let (input, output) = (layout(&request.input)?, layout(&request.output)?);
        let layer = kept.layer(&request.layer)?;
        let way = Way::of(&layer.graph, candidate, input, output, target)?;
        let graph = alone_packed(&layer.graph, &way, target, &mut layer.packed)?;
        spent.prepare = lap(&mut clock);
        let broken = |what: String| CompileError::Internal { stage: "choose".into(), what };
        verify(&graph).map_err(|e| broken(e.to_string()))?;
        let program = lower(&graph, target)?;
        spent.lower = lap(&mut clock);
        let code = self.code.emit(&program.kernels, target, backend).map_err(CompileError::from)?;
        spent.emit = lap(&mut clock);
        let plan = Plan { entries: code.entries, ..program.plan };
        let (hash, code_bytes) = (hash(&code.bytes, &plan), code.bytes.len() as u64);
        let workspace = plan.layers.iter().find(|l| l.name == "layer").map_or(0, |l| l.workspace);
        let packed = program.constants.iter().map(|(_, t)| t.bytes().len() as u64).sum();
        let (isa, backend) = (isa.name().to_string(), backend.version());
        let variant = Variant { isa, backend, plan, code: code.bytes, constants: program.constants };
        let producer = concat!("cnnc ", env!("CARGO_PKG_VERSION")).to_string();
        Artifact { model: "layer".into(), producer, variants: vec![variant] }.write_file(&request.file)?;
        spent.write = lap(&mut clock);
        let (error, seconds) = (finite(way.error), finite(way.seconds));
        Ok(Compiled { code: hash, code_bytes, workspace, packed, error, seconds, spent })
    }
}

/// Seconds since the clock was set; sets it.
pub(super) fn lap(clock: &mut Instant) -> f64 {
    let now = Instant::now();
    now.duration_since(std::mem::replace(clock, now)).as_secs_f64()
}

/// JSON has no infinity.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::MAX }
}

/// Of the code, and of the steps that call it.
fn hash(code: &[u8], plan: &Plan) -> String {
    let mut hasher = Xxh3::new();
    hasher.update(code);
    for entry in &plan.entries {
        hasher.update(&entry.to_le_bytes());
    }
    for step in &plan.steps {
        hasher.update(format!("{} {} {:?}", step.kernel, step.extent, step.args).as_bytes());
    }
    format!("{:032x}", hasher.digest128())
}

fn isa(name: &str) -> Result<Isa, TuneError> {
    Isa::from_name(name).ok_or_else(|| TuneError::Layer(format!("unknown instruction set {name}")))
}

fn layout(name: &str) -> Result<Layout, TuneError> {
    Layout::parse(name).ok_or_else(|| TuneError::Layer(format!("unknown layout {name}")))
}

fn backend(name: &str) -> Result<Backend, TuneError> {
    let unknown = || TuneError::Layer(format!("there is no code generator {name} here"));
    let (word, version) = name.split_once(' ').map_or((name, None), |(word, version)| (word, Some(version)));
    let backend = match word {
        "llvm" => Backend::Llvm,
        "cranelift" => Backend::Cranelift,
        _ => return Err(unknown()),
    };
    if version.is_some() && backend.version() != name { Err(unknown()) } else { Ok(backend) }
}
