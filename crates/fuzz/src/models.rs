//! Seeds: small models built here, the shipped network without its weights, and ONNX's backend tests where they are.

use cnnc_onnx::proto::{
    AttributeProto, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use prost::Message;
use std::path::{Path, PathBuf};

fn some(text: &str) -> Option<String> {
    Some(text.to_string())
}

/// A node.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    NodeProto { op_type: some(op), input: list(inputs), output: list(outputs), attribute, ..NodeProto::default() }
}

/// An attribute that is a list of integers.
pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: some(name), kind: Some(7), ints: ints.to_vec(), ..AttributeProto::default() }
}

/// An attribute that is an integer.
pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: some(name), kind: Some(2), i: Some(i), ..AttributeProto::default() }
}

/// An input or output of an element type and dims.
pub fn value(name: &str, kind: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| DimensionProto { dim_value: Some(d), dim_param: None };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = TensorTypeProto { elem_type: Some(kind), shape };
    ValueInfoProto { name: some(name), ty: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn weight(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>();
    let float_data = (0..count).map(|k| (k % 7) as f32 / 4.0 - 0.7).collect();
    TensorProto { name: some(name), data_type: Some(1), dims: dims.to_vec(), float_data, ..TensorProto::default() }
}

fn shape(name: &str, values: &[i64]) -> TensorProto {
    let dims = vec![values.len() as i64];
    TensorProto { name: some(name), data_type: Some(7), dims, int64_data: values.to_vec(), ..TensorProto::default() }
}

fn model(nodes: Vec<NodeProto>, inputs: &[(&str, &[i64])], initializer: Vec<TensorProto>) -> ModelProto {
    let opset = OperatorSetIdProto { domain: None, version: Some(17) };
    let input = inputs.iter().map(|(name, dims)| value(name, 1, dims)).collect();
    let (name, output) = (some("seed"), vec![value("y", 1, &[])]);
    let graph = GraphProto { name, node: nodes, input, initializer, output, ..GraphProto::default() };
    ModelProto { ir_version: Some(8), opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() }
}

/// A residual block with batch normalisation, pooling and a classifier.
pub fn residual() -> ModelProto {
    let nodes = vec![
        node("Conv", &["x", "w0", "b0"], &["c0"], vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])]),
        node("BatchNormalization", &["c0", "s", "s", "s", "v"], &["n0"], vec![]),
        node("Relu", &["n0"], &["r0"], vec![]),
        node("Conv", &["r0", "w1"], &["c1"], vec![int("group", 8), ints("pads", &[1, 1, 1, 1])]),
        node("Clip", &["c1", "low", "high"], &["r1"], vec![]),
        node("Conv", &["r1", "w2", "s"], &["c2"], vec![]),
        node("Add", &["c2", "r0"], &["a"], vec![]),
        node("Sigmoid", &["a"], &["g"], vec![]),
        node("Mul", &["a", "g"], &["h"], vec![]),
        node("MaxPool", &["h"], &["p"], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]),
        node("Concat", &["p", "p"], &["cc"], vec![int("axis", 1)]),
        node("GlobalAveragePool", &["cc"], &["q"], vec![]),
        node("Flatten", &["q"], &["f"], vec![int("axis", 1)]),
        node("Gemm", &["f", "m", "mb"], &["l"], vec![int("transB", 1)]),
        node("Softmax", &["l"], &["y"], vec![int("axis", 1)]),
    ];
    let weights = vec![
        weight("w0", &[8, 3, 3, 3]),
        weight("b0", &[8]),
        weight("w1", &[8, 1, 3, 3]),
        weight("w2", &[8, 8, 1, 1]),
        weight("s", &[8]),
        TensorProto { float_data: vec![1.0; 8], ..weight("v", &[8]) },
        weight("m", &[5, 16]),
        weight("mb", &[5]),
        TensorProto { float_data: vec![0.0], ..weight("low", &[]) },
        TensorProto { float_data: vec![6.0], ..weight("high", &[]) },
    ];
    model(nodes, &[("x", &[1, 3, 12, 12])], weights)
}

/// Shape arithmetic, slicing, transposition, normalisation, matrix products.
pub fn attention() -> ModelProto {
    let nodes = vec![
        node("Shape", &["x"], &["sh"], vec![]),
        node("Gather", &["sh", "zero"], &["n"], vec![int("axis", 0)]),
        node("Concat", &["n", "rest"], &["to"], vec![int("axis", 0)]),
        node("MatMul", &["x", "w"], &["m"], vec![]),
        node("Reshape", &["m", "to"], &["r"], vec![]),
        node("Transpose", &["r"], &["t"], vec![ints("perm", &[0, 2, 1, 3])]),
        node("Split", &["t", "parts"], &["q", "k"], vec![int("axis", 3)]),
        node("Transpose", &["k"], &["kt"], vec![ints("perm", &[0, 1, 3, 2])]),
        node("MatMul", &["q", "kt"], &["d"], vec![]),
        node("Softmax", &["d"], &["e"], vec![int("axis", -1)]),
        node("Slice", &["e", "from", "until"], &["sl"], vec![]),
        node("LayerNormalization", &["sl", "scale"], &["ln"], vec![int("axis", -1)]),
        node("ReduceMean", &["ln"], &["y"], vec![ints("axes", &[1]), int("keepdims", 0)]),
    ];
    let weights = vec![
        shape("zero", &[0]),
        shape("rest", &[4, 2, 4]),
        shape("parts", &[2, 2]),
        shape("from", &[0, 0]),
        shape("until", &[1, 2]),
        weight("w", &[8, 8]),
        weight("scale", &[4]),
    ];
    model(nodes, &[("x", &[1, 4, 8])], weights)
}

/// Resizing, padding, scattering, and a function.
pub fn varied() -> ModelProto {
    let reference = AttributeProto { name: some("alpha"), ref_attr_name: some("slope"), ..AttributeProto::default() };
    let body = vec![node("LeakyRelu", &["p"], &["l"], vec![reference]), node("Add", &["l", "p"], &["q"], vec![])];
    let slope = AttributeProto { name: some("slope"), kind: Some(1), f: Some(0.2), ..AttributeProto::default() };
    let mut call = node("Leak", &["pad"], &["f"], vec![]);
    call.domain = some("own");
    let nodes = vec![
        node("ConstantOfShape", &["four"], &["pads0"], vec![]),
        node("Cast", &["pads0"], &["pads1"], vec![int("to", 7)]),
        node("Add", &["pads1", "one"], &["pads"], vec![]),
        node("Pad", &["x", "pads"], &["pad"], vec![]),
        call,
        node("Resize", &["f", "", "scales"], &["z"], vec![]),
        node("ConvTranspose", &["z", "w"], &["ct"], vec![ints("strides", &[2, 2])]),
        node("Tile", &["ct", "four"], &["ti"], vec![]),
        node("TopK", &["ti", "k"], &["top", "at"], vec![int("axis", 3)]),
        node("CumSum", &["top", "axis"], &["cs"], vec![]),
        node("Where", &["less", "cs", "top"], &["wh"], vec![]),
        node("Less", &["cs", "top"], &["less"], vec![]),
        node("ReduceSum", &["wh"], &["y"], vec![]),
    ];
    let weights = vec![
        shape("four", &[1, 1, 2, 1]),
        TensorProto { dims: vec![], ..shape("one", &[1]) },
        shape("k", &[2]),
        TensorProto { dims: vec![], ..shape("axis", &[2]) },
        TensorProto { float_data: vec![1.0, 1.0, 2.0, 2.0], ..weight("scales", &[4]) },
        weight("w", &[4, 2, 2, 2]),
    ];
    let mut model = model(nodes, &[("x", &[1, 2, 4, 4])], weights);
    if let Some(graph) = &mut model.graph {
        // The padding of all axes by one makes four channels of two; dims of the shape input are its own.
        graph.initializer[0].dims = vec![4];
        graph.node[0].input = vec!["eight".into()];
        graph.initializer.push(shape("eight", &[8]));
    }
    let function = FunctionProto {
        name: some("Leak"),
        domain: some("own"),
        input: vec!["p".into()],
        output: vec!["q".into()],
        attribute_proto: vec![slope],
        node: body,
        ..FunctionProto::default()
    };
    model.functions.push(function);
    model
}

/// A small artifact's model: a residual block.
pub fn small() -> Vec<ModelProto> {
    vec![residual(), attention(), varied()]
}

/// A folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The shipped network, its weights turned into inputs.
pub fn shipped() -> Option<ModelProto> {
    let bytes = std::fs::read(repository("models/efficientnet_lite0.onnx")).ok()?;
    let mut model = ModelProto::decode(bytes.as_slice()).ok()?;
    let graph = model.graph.as_mut()?;
    let (large, small): (Vec<_>, Vec<_>) =
        std::mem::take(&mut graph.initializer).into_iter().partition(|t| t.dims.iter().product::<i64>() > 16);
    graph.initializer = small;
    graph.input.retain(|i| !large.iter().any(|t| t.name == i.name));
    for tensor in large {
        graph.input.push(value(tensor.name.as_deref().unwrap_or(""), tensor.data_type.unwrap_or(1), &tensor.dims));
    }
    Some(model)
}

/// The models of ONNX's backend tests that are small, where `scripts/conformance.sh` has put them.
pub fn conformance() -> Vec<ModelProto> {
    let mut folders: Vec<PathBuf> = ["node", "simple", "pytorch-operator", "pytorch-converted"]
        .iter()
        .filter_map(|kind| std::fs::read_dir(repository("target/conformance").join(kind)).ok())
        .flat_map(|entries| entries.flatten().map(|e| e.path()))
        .collect();
    folders.sort();
    let read = |folder: &PathBuf| std::fs::read(folder.join("model.onnx")).ok().filter(|b| b.len() < 1 << 16);
    folders.iter().filter_map(read).filter_map(|b| ModelProto::decode(b.as_slice()).ok()).collect()
}
