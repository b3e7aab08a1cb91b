//! What `run`, `bench` and `profile` work on: an artifact, or a model that is compiled in memory.

use crate::CliError;
use crate::args::{CompileArgs, processors};
use crate::feeds::{self, Input};
use crate::preprocess::Preprocess;
use cnnc_artifact::{ArtifactError, Reader, Variant};
use cnnc_compiler::{CompileError, Compiled, Options, compile};
use cnnc_onnx::ImportError;
use cnnc_runtime::{Model, RuntimeError};
use cnnc_tensor::{Isa, Tensor};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A loaded network, with those of its inputs that were given.
pub struct Source {
    /// The network.
    pub model: Arc<Model>,
    /// Tensors by the name of their input.
    pub feeds: BTreeMap<String, Tensor>,
}

/// Whether a file is an artifact, by its name or its first bytes; what cannot be read is none.
pub fn is_artifact(path: &Path) -> bool {
    let mut start = [0; 8];
    let count = std::fs::File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    Reader::looks_like_artifact(&start[..count]) || path.extension().is_some_and(|e| e == "cnna")
}

/// Loads an artifact, or compiles a model for the shapes of the inputs given. Inputs whose content decides shapes are
/// bound to what is given.
pub fn load(
    path: &Path,
    compile_args: &CompileArgs,
    threads: Option<usize>,
    inputs: &[String],
    preprocess: &Preprocess,
) -> Result<Source, CliError> {
    if is_artifact(path) {
        let load = |source| match source {
            RuntimeError::Artifact(ArtifactError::Read { .. }) => CliError::Runtime(source),
            _ => CliError::Load { path: path.to_path_buf(), source },
        };
        let model = Model::open(path).map_err(load)?;
        let known = model.inputs().iter().map(Input::of_io).collect::<Result<Vec<_>, _>>()?;
        let feeds = feeds::read(inputs, &known, preprocess)?;
        return Ok(Source { model: Arc::new(model), feeds });
    }
    let mut options = compile_args.options(threads.unwrap_or_else(processors))?;
    let mut feeds = BTreeMap::new();
    if !inputs.is_empty() {
        let declared = cnnc_onnx::inspect_inputs(path)?;
        let known = declared.iter().map(|info| Input::of_info(info, options.import.shapes.get(&info.name)));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        feeds = feeds::read(inputs, &known, preprocess)?;
        for input in known {
            let Some(tensor) = feeds.get(&input.name) else { continue };
            if input.has_default {
                // The default becomes another constant.
                options.import.bound.insert(input.name.clone(), tensor.clone());
                feeds.remove(&input.name);
            } else {
                options.import.shapes.entry(input.name).or_insert_with(|| tensor.dims().to_vec());
            }
        }
    }
    let compiled = compile_binding(path, &mut options, &mut feeds)?;
    let variant = best(compiled.variants)?;
    Ok(Source { model: Arc::new(Model::from_variant(&compiled.model, variant)?), feeds })
}

/// Compiles; where an input's content turns out to decide shapes and is given, it is bound and no input any more.
fn compile_binding(
    path: &Path,
    options: &mut Options,
    feeds: &mut BTreeMap<String, Tensor>,
) -> Result<Compiled, CliError> {
    loop {
        let error = match compile(path, options) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => error,
        };
        let CompileError::Import(ImportError::NeedsValue { inputs, .. }) = &error else { return Err(error.into()) };
        let mut bound = false;
        for name in inputs {
            if let Some(tensor) = feeds.remove(name) {
                tracing::info!(input = name, "bound: shapes depend on its content");
                options.import.shapes.remove(name);
                options.import.bound.insert(name.clone(), tensor);
                bound = true;
            }
        }
        if !bound {
            return Err(error.into());
        }
    }
}

/// The variant of the highest instruction set that this machine has.
fn best(variants: Vec<Variant>) -> Result<Variant, CliError> {
    let host = Isa::detect();
    let have = variants.iter().map(|v| v.isa.as_str()).collect::<Vec<_>>().join(", ");
    let runnable = variants.into_iter().filter(|v| Isa::from_name(&v.isa).is_some_and(|isa| Some(isa) <= host));
    runnable.max_by_key(|v| Isa::from_name(&v.isa)).ok_or_else(|| {
        let host = host.map_or("none that is known", Isa::name).to_string();
        CliError::Runtime(RuntimeError::NoVariant { have, host })
    })
}
