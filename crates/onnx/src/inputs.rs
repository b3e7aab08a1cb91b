//! The model's inputs: what it declares, what the caller overrides, and the type that follows.

use crate::error::ImportError;
use crate::proto::{DimensionProto, GraphProto, ValueInfoProto};
use crate::tensor::dtype_of;
use cnnc_ir::graph::TensorType;
use cnnc_tensor::{DType, Tensor, element_count};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the caller fixes before import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Shapes by input name; each overrides the declared one, symbolic or wrong.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs whose content is bound now because shapes depend on it; they are no inputs of the graph.
    pub bound: BTreeMap<String, Tensor>,
}

/// A declared dim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredDim {
    /// A number (negative ones stand in damaged models).
    Known(i64),
    /// A symbol.
    Symbol(String),
    /// Nothing.
    Unknown,
}

/// An input that a model declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputInfo {
    /// Name.
    pub name: String,
    /// Element type, or why there is none.
    pub dtype: Result<DType, String>,
    /// Dims; `None` where not even their number is declared.
    pub dims: Option<Vec<DeclaredDim>>,
    /// Whether an initializer gives it a default: it is then a constant.
    pub has_default: bool,
}

fn declared_dim(dim: &DimensionProto) -> DeclaredDim {
    match (&dim.dim_value, &dim.dim_param) {
        (Some(value), _) => DeclaredDim::Known(*value),
        (None, Some(symbol)) if !symbol.is_empty() => DeclaredDim::Symbol(symbol.clone()),
        _ => DeclaredDim::Unknown,
    }
}

fn info(input: &ValueInfoProto, has_default: bool) -> InputInfo {
    let tensor = input.ty.as_ref().and_then(|t| t.tensor_type.as_ref());
    let dtype = match tensor {
        None => Err("it is no tensor; sequences, maps and optional values are not supported".to_string()),
        Some(tensor) => dtype_of(tensor.elem_type.unwrap_or(0)),
    };
    let dims = tensor.and_then(|t| t.shape.as_ref()).map(|s| s.dim.iter().map(declared_dim).collect());
    InputInfo { name: input.name.clone().unwrap_or_default(), dtype, dims, has_default }
}

/// The inputs that a graph declares.
pub fn declared(graph: &GraphProto) -> Vec<InputInfo> {
    let dense = graph.initializer.iter().filter_map(|t| t.name.as_deref());
    let sparse = graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref()?.name.as_deref());
    let defaults: HashSet<&str> = dense.chain(sparse).collect();
    graph.input.iter().map(|i| info(i, defaults.contains(i.name.as_deref().unwrap_or("")))).collect()
}

/// What an input becomes.
pub enum Resolved {
    /// An input of the graph.
    Input(TensorType),
    /// A constant, bound by the caller.
    Bound(Tensor),
    /// Left to its initializer.
    Default,
}

/// What each declared input becomes, in order. A symbol that one given shape fixes holds for the other inputs too.
pub fn resolve(file: &str, inputs: &[InputInfo], options: &ImportOptions) -> Result<Vec<Resolved>, ImportError> {
    let wrong = |input: &str, what: String| {
        let (file, input) = (file.to_string(), input.to_string());
        ImportError::Input { file, input, what }
    };
    for name in options.shapes.keys().chain(options.bound.keys()) {
        if !inputs.iter().any(|i| i.name == *name) {
            let names: Vec<&str> = inputs.iter().filter(|i| !i.has_default).map(|i| i.name.as_str()).collect();
            return Err(wrong(name, format!("the model has no such input; it has {}", names.join(", "))));
        }
    }
    let mut symbols: HashMap<&str, usize> = HashMap::new();
    for input in inputs {
        let given = options.shapes.get(&input.name).map(Vec::as_slice);
        let given = given.or_else(|| options.bound.get(&input.name).map(Tensor::dims));
        if let (Some(given), Some(dims)) = (given, &input.dims) {
            for (dim, &size) in dims.iter().zip(given) {
                if let DeclaredDim::Symbol(symbol) = dim {
                    symbols.entry(symbol).or_insert(size);
                }
            }
        }
    }
    let mut resolved = vec![];
    for input in inputs {
        if let Some(tensor) = options.bound.get(&input.name) {
            match &input.dtype {
                Ok(dtype) if *dtype != tensor.dtype() => {
                    return Err(wrong(&input.name, format!("is of {dtype}, but {} was bound", tensor.dtype())));
                }
                _ => resolved.push(Resolved::Bound(tensor.clone())),
            }
            continue;
        }
        if input.has_default {
            resolved.push(Resolved::Default);
            continue;
        }
        let dtype = input.dtype.clone().map_err(|e| wrong(&input.name, e))?;
        let dims = match options.shapes.get(&input.name) {
            Some(given) => given.clone(),
            None => fixed(file, input, &symbols)?,
        };
        let nonzero: Vec<usize> = dims.iter().copied().filter(|&d| d != 0).collect();
        let fits = element_count(&nonzero).and_then(|n| n.checked_mul(dtype.size()));
        if fits.is_none_or(|n| n > isize::MAX as usize / 2) {
            return Err(wrong(&input.name, format!("dims {dims:?} of {dtype} are larger than memory")));
        }
        resolved.push(Resolved::Input(TensorType::plain(dtype, &dims)));
    }
    Ok(resolved)
}

/// The declared dims, where all are known.
fn fixed(file: &str, input: &InputInfo, symbols: &HashMap<&str, usize>) -> Result<Vec<usize>, ImportError> {
    let dynamic = |dim: String, flag: String| {
        let (file, input) = (file.to_string(), input.name.clone());
        ImportError::DynamicDim { file, input, dim, flag }
    };
    let Some(dims) = &input.dims else {
        return Err(dynamic("count".into(), format!("{}=1x3x224x224", input.name)));
    };
    let size = |dim: &DeclaredDim| match dim {
        DeclaredDim::Known(size) => usize::try_from(*size).ok(),
        DeclaredDim::Symbol(symbol) => symbols.get(symbol.as_str()).copied(),
        DeclaredDim::Unknown => None,
    };
    let sizes: Vec<Option<usize>> = dims.iter().map(size).collect();
    match sizes.iter().position(Option::is_none) {
        None => Ok(sizes.into_iter().flatten().collect()),
        Some(k) => {
            let dim = match &dims[k] {
                DeclaredDim::Known(size) => format!("{k} ({size})"),
                DeclaredDim::Symbol(symbol) => format!("{k} ({symbol})"),
                DeclaredDim::Unknown => k.to_string(),
            };
            // A plausible shape: the batch is 1, an image 224 by 224.
            let example = |(k, size): (usize, &Option<usize>)| match (size, k) {
                (Some(size), _) => size.to_string(),
                (None, 0) => "1".into(),
                (None, 1) => "3".into(),
                (None, _) => "224".into(),
            };
            let shape: Vec<String> = sizes.iter().enumerate().map(example).collect();
            Err(dynamic(dim, format!("{}={}", input.name, shape.join("x"))))
        }
    }
}
