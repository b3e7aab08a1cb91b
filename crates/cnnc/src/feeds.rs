//! Inputs given on the command line: `--input NAME=FILE`, or `--input FILE` for the first input not given otherwise.

use crate::preprocess::Preprocess;
use crate::{CliError, npy};
use cnnc_artifact::Io;
use cnnc_onnx::{DeclaredDim, InputInfo};
use cnnc_tensor::{DType, Scalar, Tensor, element_count};
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of an input of a model or artifact.
#[derive(Clone, Debug)]
pub struct Input {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dims as far as they are known; `None` where not even their number is.
    pub dims: Option<Vec<Option<usize>>>,
    /// Whether it may be left out.
    pub has_default: bool,
}

impl Input {
    /// An input of an artifact.
    pub fn of_io(io: &Io) -> Result<Input, CliError> {
        let unknown = || CliError::Usage(format!("input {io}: unknown element type"));
        let dims = Some(io.dims.iter().map(|d| Some(*d)).collect());
        Ok(Input { name: io.name.clone(), dtype: io.dtype().ok_or_else(unknown)?, dims, has_default: false })
    }

    /// An input of a model, of the given dims where some are given.
    pub fn of_info(info: &InputInfo, given: Option<&Vec<usize>>) -> Result<Input, CliError> {
        let unknown = |what: &String| CliError::Usage(format!("input {}: {what}", info.name));
        let known = |dim: &DeclaredDim| match dim {
            DeclaredDim::Known(size) => usize::try_from(*size).ok(),
            DeclaredDim::Symbol(_) | DeclaredDim::Unknown => None,
        };
        let declared = || info.dims.as_ref().map(|dims| dims.iter().map(known).collect());
        let dims = given.map(|dims| dims.iter().map(|d| Some(*d)).collect()).or_else(declared);
        let dtype = *info.dtype.as_ref().map_err(unknown)?;
        Ok(Input { name: info.name.clone(), dtype, dims, has_default: info.has_default })
    }

    fn describe(&self) -> String {
        let dim = |d: &Option<usize>| d.map_or("?".to_string(), |d| d.to_string());
        let dims = self.dims.as_ref().map_or("...".into(), |dims| dims.iter().map(dim).collect::<Vec<_>>().join(","));
        format!("{}: {}[{dims}]", self.name, self.dtype)
    }
}

/// The tensors that the arguments name, by input.
pub fn read(args: &[String], inputs: &[Input], preprocess: &Preprocess) -> Result<BTreeMap<String, Tensor>, CliError> {
    let mut named: BTreeMap<String, &str> = BTreeMap::new();
    let mut unnamed = vec![];
    for arg in args {
        match split(arg, inputs) {
            Some((input, file)) => {
                if named.insert(input.name.clone(), file).is_some() {
                    return Err(CliError::Usage(format!("input {} is given twice", input.name)));
                }
            }
            None if Path::new(arg).exists() || !arg.contains('=') => unnamed.push(arg.as_str()),
            None => {
                let name = arg.split('=').next().unwrap_or_default();
                return Err(CliError::Usage(format!("there is no input {name}; {}", names(inputs))));
            }
        }
    }
    for file in unnamed {
        let free = inputs.iter().find(|i| !i.has_default && !named.contains_key(&i.name));
        let Some(input) = free else {
            return Err(CliError::Usage(format!("{file} is one input too many; {}", names(inputs))));
        };
        named.insert(input.name.clone(), file);
    }
    let mut tensors = BTreeMap::new();
    for input in inputs {
        if let Some(file) = named.get(&input.name) {
            tensors.insert(input.name.clone(), read_one(Path::new(file), input, preprocess)?);
        }
    }
    Ok(tensors)
}

/// The tensors of all inputs, in order.
pub fn in_order(mut tensors: BTreeMap<String, Tensor>, inputs: &[Input]) -> Result<Vec<Tensor>, CliError> {
    let missing = |input: &Input| {
        CliError::Usage(format!("input {} is not given: use --input {}=FILE.npy", input.describe(), input.name))
    };
    inputs.iter().map(|input| tensors.remove(&input.name).ok_or_else(|| missing(input))).collect()
}

/// Seeded tensors for inputs that are not given: floats from -1 to 1, integers and bools 1.
pub fn seeded(io: &Io) -> Result<Tensor, CliError> {
    let input = Input::of_io(io)?;
    let count = element_count(&io.dims).unwrap_or(0);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let values = (0..count).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = if input.dtype.is_float() { (state >> 40) as f64 / f64::from(1 << 23) - 1.0 } else { 1.0 };
        Scalar::from_f64(input.dtype, value)
    });
    Tensor::from_scalars(input.dtype, &io.dims, values).map_err(|e| CliError::Usage(format!("input {io}: {e}")))
}

fn names(inputs: &[Input]) -> String {
    let names: Vec<String> = inputs.iter().filter(|i| !i.has_default).map(Input::describe).collect();
    if names.is_empty() { "the network has no inputs".into() } else { format!("the inputs are {}", names.join(", ")) }
}

/// The longest name of an input that stands before an `=`, and what follows.
fn split<'a, 'b>(arg: &'a str, inputs: &'b [Input]) -> Option<(&'b Input, &'a str)> {
    let parts = inputs.iter().filter_map(|i| Some((i, arg.strip_prefix(i.name.as_str())?.strip_prefix('=')?)));
    parts.max_by_key(|(input, _)| input.name.len())
}

fn read_one(path: &Path, input: &Input, preprocess: &Preprocess) -> Result<Tensor, CliError> {
    let is_npy = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    let tensor = if is_npy { npy::read(path)? } else { preprocess.read(path, input.dtype, input.dims.as_deref())? };
    if tensor.dtype() != input.dtype {
        let what = format!("holds {}, but input {} is wanted", tensor.dtype(), input.describe());
        return Err(CliError::File { path: path.to_path_buf(), what });
    }
    Ok(tensor)
}
