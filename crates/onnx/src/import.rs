//! Import: bytes to graph, node by node.

use crate::context::{Context, Results};
use crate::error::{ImportError, Reason, UnsupportedOp, invalid};
use crate::flatten::{FlatNode, domain_of, flatten, opset_of};
use crate::inputs::{ImportOptions, InputInfo, Resolved, declared, resolve};
use crate::node::Node;
use crate::ops::{self, NEWEST_OPSET};
use crate::proto::{GraphProto, ModelProto};
use crate::{budget, order, tensor};
use cnnc_ir::graph::{Graph, ValueId};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// An imported model.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The graph: inputs in the model's order without defaults and bound ones, outputs in the model's order.
    pub graph: Graph,
    /// The model's version of ONNX's operator set.
    pub opset: i64,
}

/// Imports the model in a file.
pub fn import_file(path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let bytes = read(path)?;
    import(&path.display().to_string(), bytes, path.parent(), options)
}

/// Imports a model from bytes; external data is looked for in `base`.
pub fn import_bytes(bytes: Vec<u8>, base: Option<&Path>, options: &ImportOptions) -> Result<Imported, ImportError> {
    import("model", bytes, base, options)
}

/// The inputs that the model in a file declares, in order, those with defaults too.
pub fn inspect_inputs(path: &Path) -> Result<Vec<InputInfo>, ImportError> {
    let (file, bytes) = (path.display().to_string(), read(path)?);
    let model = decode(&file, bytes)?;
    Ok(declared(main_graph(&file, &model)?))
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    std::fs::read(path).map_err(|e| ImportError::Read { file: path.display().to_string(), what: e.to_string() })
}

fn decode(file: &str, bytes: Vec<u8>) -> Result<ModelProto, ImportError> {
    let wrong = |what: String| ImportError::Decode { file: file.to_string(), what };
    if bytes.is_empty() {
        return Err(wrong("the file is empty".into()));
    }
    budget::check(&bytes).map_err(wrong)?;
    ModelProto::decode(Bytes::from(bytes)).map_err(|e| wrong(e.to_string()))
}

fn main_graph<'a>(file: &str, model: &'a ModelProto) -> Result<&'a GraphProto, ImportError> {
    let missing = || ImportError::Decode { file: file.to_string(), what: "it holds no graph".into() };
    model.graph.as_ref().ok_or_else(missing)
}

fn import(file: &str, bytes: Vec<u8>, base: Option<&Path>, options: &ImportOptions) -> Result<Imported, ImportError> {
    let size = bytes.len();
    let model = decode(file, bytes)?;
    let graph = main_graph(file, &model)?;
    let whole = |what: String| ImportError::Model { file: file.to_string(), what };
    let opset = opset_of(&model.opset_import);
    if opset > NEWEST_OPSET {
        tracing::warn!(file, opset, newest = NEWEST_OPSET, "opset is newer than known; importing by the newest rules");
    }
    let nodes = flatten(&model).map_err(whole)?;
    let inputs = declared(graph);
    let given = given_names(graph, &inputs).map_err(whole)?;
    let outputs: Vec<&str> = graph.output.iter().map(|o| o.name.as_deref().unwrap_or("")).collect();
    let order = order::sort(&nodes, &given, &outputs).map_err(whole)?;
    reject_unsupported(file, order.iter().map(|&k| &nodes[k]))?;

    let name = graph.name.as_deref().unwrap_or("");
    let mut cx = Context::new(name, size);
    add_inputs(&mut cx, file, &inputs, options)?;
    let uses = order.iter().flat_map(|&k| nodes[k].proto.input.iter().map(String::as_str));
    let used: HashSet<&str> = uses.chain(outputs.iter().copied()).collect();
    add_initializers(&mut cx, file, graph, base, &used)?;
    for k in order {
        add_node(&mut cx, file, &nodes[k], base)?;
    }
    for name in outputs {
        let value = cx.values.get(name).ok_or_else(|| whole(format!("output '{name}' is defined by nothing")))?;
        let extent = cx.extents.get(value).copied();
        cx.graph.outputs.push(cnnc_ir::graph::Output { name: name.to_string(), value: *value, extent });
    }
    Ok(Imported { graph: cx.graph.without_dead(), opset })
}

/// Names that stand without a node; inputs twice, and initializers twice, are errors.
fn given_names<'a>(graph: &'a GraphProto, inputs: &'a [InputInfo]) -> Result<Vec<&'a str>, String> {
    let mut names = HashSet::new();
    for input in inputs {
        if !names.insert(input.name.as_str()) {
            return Err(format!("input '{}' is declared twice", input.name));
        }
    }
    let dense = graph.initializer.iter().map(|t| t.name.as_deref());
    let sparse = graph.sparse_initializer.iter().map(|t| t.values.as_ref().and_then(|v| v.name.as_deref()));
    let mut initializers = HashSet::new();
    for name in dense.chain(sparse).map(Option::unwrap_or_default) {
        if !initializers.insert(name) {
            return Err(format!("initializer '{name}' is defined twice"));
        }
    }
    names.extend(initializers);
    Ok(names.into_iter().collect())
}

/// All operators that have no handler, at once.
fn reject_unsupported<'a>(file: &str, nodes: impl Iterator<Item = &'a FlatNode<'a>>) -> Result<(), ImportError> {
    let mut missing: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for node in nodes {
        let (domain, op) = (domain_of(node.proto.domain.as_deref()), node.proto.op_type.as_deref().unwrap_or(""));
        if !domain.is_empty() || ops::handler(op, node.opset).is_none() {
            missing.entry((domain, op)).or_default().push(node.name.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let entry = |((domain, op), nodes): ((&str, &str), Vec<String>)| UnsupportedOp {
        domain: domain.to_string(),
        op: op.to_string(),
        nodes,
    };
    Err(ImportError::Unsupported { file: file.to_string(), ops: missing.into_iter().map(entry).collect() })
}

fn add_inputs(cx: &mut Context, file: &str, inputs: &[InputInfo], options: &ImportOptions) -> Result<(), ImportError> {
    for (input, resolved) in inputs.iter().zip(resolve(file, inputs, options)?) {
        let value = match resolved {
            Resolved::Input(ty) => cx.graph.add_input(&input.name, ty),
            Resolved::Bound(tensor) => cx.graph.add_const(Some(&input.name), tensor),
            Resolved::Default => continue,
        };
        cx.values.insert(input.name.clone(), value);
    }
    Ok(())
}

/// Adds the initializers that are used and not bound by the caller.
fn add_initializers(
    cx: &mut Context,
    file: &str,
    graph: &GraphProto,
    base: Option<&Path>,
    used: &HashSet<&str>,
) -> Result<(), ImportError> {
    let dense = graph.initializer.iter().map(|t| (t.name.as_deref().unwrap_or(""), Ok(t)));
    let name_of = |t: &'_ crate::proto::SparseTensorProto| t.values.as_ref().and_then(|v| v.name.clone());
    let sparse_names: Vec<String> = graph.sparse_initializer.iter().map(|t| name_of(t).unwrap_or_default()).collect();
    let sparse = sparse_names.iter().map(String::as_str).zip(graph.sparse_initializer.iter().map(Err));
    for (name, proto) in dense.chain(sparse) {
        if !used.contains(name) || cx.values.contains_key(name) {
            continue;
        }
        let loaded = match proto {
            Ok(dense) => tensor::load(dense, base),
            Err(sparse) => tensor::load_sparse(sparse, base),
        };
        let wrong = |what: String| ImportError::Tensor { file: file.to_string(), tensor: name.to_string(), what };
        let value = cx.graph.add_const(Some(name), loaded.map_err(wrong)?);
        cx.values.insert(name.to_string(), value);
    }
    Ok(())
}

fn add_node(cx: &mut Context, file: &str, flat: &FlatNode, base: Option<&Path>) -> Result<(), ImportError> {
    let op = flat.proto.op_type.as_deref().unwrap_or("");
    let node = Node {
        op,
        inputs: flat.proto.input.iter().map(|name| cx.values.get(name).copied()).collect(),
        outputs: &flat.proto.output,
        base,
        attributes: &flat.proto.attribute,
    };
    cx.node = flat.name.clone();
    let handled = handle(cx, &node, flat.opset);
    let (file, name, op) = (file.to_string(), flat.name.clone(), op.to_string());
    let results = match handled {
        Ok(results) => results,
        Err(Reason::Invalid(what)) => return Err(ImportError::Node { file, node: name, op, what }),
        Err(Reason::NeedsValue { operand, value }) => {
            let inputs = cx.inputs_behind(value);
            if inputs.is_empty() {
                let what = format!("operand '{operand}' must be known at compile time, but is too large to compute");
                return Err(ImportError::Node { file, node: name, op, what });
            }
            return Err(ImportError::NeedsValue { file, node: name, op, operand, inputs });
        }
    };
    for (k, output) in flat.proto.output.iter().enumerate().filter(|(_, output)| !output.is_empty()) {
        let Some(&value) = results.get(k) else {
            let what = format!("result {k} ('{output}') is not supported");
            return Err(ImportError::Node { file, node: name, op, what });
        };
        name_value(cx, value, output);
    }
    Ok(())
}

/// Calls the operator's handler. A result whose extent depends on data may only be converted or be an output.
fn handle(cx: &mut Context, node: &Node, opset: i64) -> Results {
    let extent = node.inputs.iter().flatten().find_map(|v| cx.extents.get(v).copied());
    if extent.is_some() && !matches!(node.op, "Cast" | "Identity") {
        return invalid("an operand's size depends on data; such a value can only be an output of the model");
    }
    let Some(handler) = ops::handler(node.op, opset) else { return invalid("the operator is not supported") };
    let results = handler(cx, node)?;
    if let Some(extent) = extent {
        results.iter().for_each(|&v| _ = cx.extents.insert(v, extent));
    }
    Ok(results)
}

fn name_value(cx: &mut Context, value: ValueId, name: &str) {
    if cx.graph.value(value).name.is_none() {
        cx.graph.set_name(value, name);
    }
    cx.values.insert(name.to_string(), value);
}
