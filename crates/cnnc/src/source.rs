//! What `run`, `bench` and `profile` work on: an artifact, or a model that is compiled into a temporary one.

use crate::args::{SourceArgs, processors};
use crate::feeds::{self, Input};
use crate::{CliError, process};
use cnnc_artifact::{ArtifactError, Reader};
use cnnc_runtime::{Model, RuntimeError};
use cnnc_tensor::Tensor;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A loaded network, with those of its inputs that were given.
#[derive(Clone)]
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
pub fn load(args: &SourceArgs) -> Result<Source, CliError> {
    if is_artifact(&args.model) {
        let model = open(&args.model)?;
        let known = model.inputs().iter().map(Input::of_io).collect::<Vec<_>>();
        let feeds = feeds::read(&args.input, &known, &args.preprocess)?;
        return Ok(Source { model: Arc::new(model), feeds });
    }
    let mut words: Vec<OsString> = vec!["compile".into(), args.model.clone().into()];
    words.extend(args.compile.to_words());
    let threads = args.threads().unwrap_or_else(processors);
    words.extend(["--quiet".into(), "--threads".into(), threads.to_string().into()]);
    let mut tensors = BTreeMap::new();
    if !args.input.is_empty() {
        let declared = process::compiler_output(["inputs".into(), args.model.clone().into()])?;
        let known: Vec<Input> = serde_json::from_slice(&declared)
            .map_err(|error| CliError::Crash(format!("internal error: the compiler's answer: {error}")))?;
        for (input, file) in feeds::assign(&args.input, &known)? {
            let tensor = feeds::read_one(file, input, &args.preprocess)?;
            words.extend(shape_words(input, file, &tensor));
            tensors.insert(input.name.clone(), tensor);
        }
    }
    let folder = process::temporary_folder()?;
    let path = folder.path().join("model.cnna");
    words.extend(["-o".into(), path.clone().into()]);
    process::compiler(words)?;
    // The mapping outlives the file's name.
    let model = open(&path)?;
    tensors.retain(|name, _| model.inputs().iter().any(|io| io.name == *name));
    Ok(Source { model: Arc::new(model), feeds: tensors })
}

fn open(path: &Path) -> Result<Model, CliError> {
    Model::open(path).map_err(|source| match source {
        RuntimeError::Artifact(ArtifactError::Read { .. }) => CliError::Runtime(source),
        _ => CliError::Load { path: path.to_path_buf(), source },
    })
}

/// The flags that tell the compiler of an input that is given.
fn shape_words(input: &Input, file: &Path, tensor: &Tensor) -> Vec<OsString> {
    let named = |value: &Path| {
        let mut word = OsString::from(format!("{}=", input.name));
        word.push(value);
        word
    };
    let is_npy = feeds::is_npy(file);
    if input.has_default {
        // What is given takes the default's place: another constant.
        return vec!["--bind".into(), named(file)];
    }
    let dims: Vec<String> = tensor.dims().iter().map(usize::to_string).collect();
    let mut words: Vec<OsString> = vec!["--shape".into(), named(Path::new(&dims.join("x")))];
    if is_npy {
        words.extend(["--offer".into(), named(file)]);
    }
    words
}
