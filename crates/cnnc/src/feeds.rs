//! Inputs given on the command line: `--input NAME=FILE`, or `--input FILE` for the first input not given otherwise.

use crate::preprocess::Preprocess;
use crate::{CliError, npy};
use cnnc_artifact::Io;
use cnnc_tensor::{DType, Scalar, Tensor, element_count};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of an input of a model or artifact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// Name.
    pub name: String,
    /// Element type, by name; what is none is a reason why there is none.
    pub dtype: String,
    /// Dims as far as they are known; `None` where not even their number is.
    pub dims: Option<Vec<Option<usize>>>,
    /// Whether it may be left out.
    pub has_default: bool,
}

impl Input {
    /// An input of an artifact.
    pub(crate) fn of_io(io: &Io) -> Input {
        let dims = Some(io.dims.iter().map(|d| Some(*d)).collect());
        Input { name: io.name.clone(), dtype: io.dtype.clone(), dims, has_default: false }
    }

    fn dtype(&self) -> Result<DType, CliError> {
        DType::from_name(&self.dtype).ok_or_else(|| CliError::Usage(format!("input {}: {}", self.name, self.dtype)))
    }

    fn describe(&self) -> String {
        let dim = |d: &Option<usize>| d.map_or("?".to_string(), |d| d.to_string());
        let dims = self.dims.as_ref().map_or("...".into(), |dims| dims.iter().map(dim).collect::<Vec<_>>().join(","));
        format!("{}: {}[{dims}]", self.name, self.dtype)
    }
}

/// The tensors that the arguments name, by input.
pub fn read(args: &[String], inputs: &[Input], preprocess: &Preprocess) -> Result<BTreeMap<String, Tensor>, CliError> {
    let assigned = assign(args, inputs)?.into_iter();
    assigned.map(|(input, file)| Ok((input.name.clone(), read_one(file, input, preprocess)?))).collect()
}

/// Which input each argument is for, and its file; in the order of the inputs.
pub fn assign<'a>(args: &'a [String], inputs: &'a [Input]) -> Result<Vec<(&'a Input, &'a Path)>, CliError> {
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
    let given = |input: &'a Input| Some((input, Path::new(*named.get(&input.name)?)));
    Ok(inputs.iter().filter_map(given).collect())
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
    let dtype = Input::of_io(io).dtype()?;
    let count = element_count(&io.dims).unwrap_or(0);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let values = (0..count).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = if dtype.is_float() { (state >> 40) as f64 / f64::from(1 << 23) - 1.0 } else { 1.0 };
        Scalar::from_f64(dtype, value)
    });
    Tensor::from_scalars(dtype, &io.dims, values).map_err(|e| CliError::Usage(format!("input {io}: {e}")))
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

/// Whether a file is one of NumPy's, by its name.
pub fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"))
}

/// The tensor in a file, for an input.
pub fn read_one(path: &Path, input: &Input, preprocess: &Preprocess) -> Result<Tensor, CliError> {
    let dtype = input.dtype()?;
    let tensor = if is_npy(path) { npy::read(path)? } else { preprocess.read(path, dtype, input.dims.as_deref())? };
    if tensor.dtype() != dtype {
        let what = format!("holds {}, but input {} is wanted", tensor.dtype(), input.describe());
        return Err(CliError::File { path: path.to_path_buf(), what });
    }
    Ok(tensor)
}
