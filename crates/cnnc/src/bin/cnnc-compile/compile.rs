//! `cnnc compile`: a model becomes an artifact.

use crate::options::{content, options};
use crate::{database, failure};
use cnnc_artifact::Artifact;
use cnnc_cli::args::processors;
use cnnc_cli::commands::{compile, inputs};
use cnnc_cli::table::bytes;
use cnnc_cli::{CliError, Input};
use cnnc_compiler::{CompileError, Compiled, Options};
use cnnc_ir::graph::Graph;
use cnnc_onnx::{DeclaredDim, ImportError, InputInfo};
use cnnc_tensor::Tensor;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

pub fn run(args: &compile::Args) -> Result<(), CliError> {
    let start = Instant::now();
    let mut options = options(&args.compile, args.threads.map_or_else(processors, usize::from))?;
    let mut offers = args.offer.iter().map(|arg| content("--offer", arg)).collect::<Result<_, _>>()?;
    let compiled = compile_binding(&args.model, &mut options, &mut offers, args.compile.db.as_deref())?;
    let producer = format!("cnnc {}", env!("CARGO_PKG_VERSION"));
    let artifact = Artifact { model: compiled.model, producer, variants: compiled.variants };
    let path = args.artifact();
    artifact.write_file(&path)?;
    if args.quiet {
        return Ok(());
    }
    let targets: Vec<String> = artifact.variants.iter().map(|v| format!("{} ({})", v.isa, v.backend)).collect();
    let layers = artifact.variants.first().map_or(0, |v| v.plan.layers.len());
    let size = std::fs::metadata(&path).map_or(0, |m| m.len());
    cnnc_cli::say(&format!(
        "{}: {}, {layers} layers, {} in {:.1} s\n",
        path.display(),
        bytes(size),
        targets.join(", "),
        start.elapsed().as_secs_f64()
    ))
}

/// Compiles; where an input's content turns out to decide shapes and is offered, it is bound and no input any more.
pub fn compile_binding(
    path: &Path,
    options: &mut Options,
    offers: &mut BTreeMap<String, Tensor>,
    database: Option<&Path>,
) -> Result<Compiled, CliError> {
    loop {
        let consult = |graph: &Graph| database::choices(database, graph, options);
        let error = match cnnc_compiler::compile(path, options, &consult) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => error,
        };
        let CompileError::Import(ImportError::NeedsValue { inputs, .. }) = &error else {
            return Err(failure::compile(error));
        };
        let mut bound = false;
        for name in inputs {
            if let Some(tensor) = offers.remove(name) {
                tracing::info!(input = name, "bound: shapes depend on its content");
                options.import.shapes.remove(name);
                options.import.bound.insert(name.clone(), tensor);
                bound = true;
            }
        }
        if !bound {
            return Err(failure::compile(error));
        }
    }
}

/// `cnnc inputs`: prints the inputs that a model declares.
pub fn inputs(args: &inputs::Args) -> Result<(), CliError> {
    let declared = cnnc_onnx::inspect_inputs(&args.model).map_err(failure::import)?;
    let inputs: Vec<Input> = declared.into_iter().map(declared_input).collect();
    cnnc_cli::say(&cnnc_cli::json(&inputs)?)
}

pub fn declared_input(info: InputInfo) -> Input {
    let known = |dim: DeclaredDim| match dim {
        DeclaredDim::Known(size) => usize::try_from(size).ok(),
        DeclaredDim::Symbol(_) | DeclaredDim::Unknown => None,
    };
    Input {
        name: info.name,
        dtype: info.dtype.map_or_else(|reason| reason, |dtype| dtype.name().to_string()),
        dims: info.dims.map(|dims| dims.into_iter().map(known).collect()),
        has_default: info.has_default,
    }
}
