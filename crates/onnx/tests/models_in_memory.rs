//! Small models made of messages: what import refuses and how it says so, and what it must accept.

#![allow(clippy::unwrap_used)] // in the helpers of the tests

use cnnc_ir::graph::evaluate;
use cnnc_onnx::proto::*;
use cnnc_onnx::{ImportError, ImportOptions, Imported, import_bytes, import_file, inspect_inputs};
use cnnc_tensor::{DType, Tensor};
use proptest::prelude::*;
use prost::Message;

fn some(text: &str) -> Option<String> {
    Some(text.to_string())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { op_type: some(op), input: names(inputs), output: names(outputs), ..NodeProto::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let ints = values.to_vec();
    AttributeProto { name: some(name), kind: Some(attribute_kind::INTS), ints, ..AttributeProto::default() }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: some(name), kind: Some(attribute_kind::FLOAT), f: Some(value), ..AttributeProto::default() }
}

fn reference(name: &str, to: &str) -> AttributeProto {
    AttributeProto { name: some(name), ref_attr_name: some(to), ..AttributeProto::default() }
}

/// A declared value; negative dims become the symbols `d0`, `d1`, ...
fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |(k, &d): (usize, &i64)| match d {
        -1 => DimensionProto { dim_value: None, dim_param: Some(format!("d{k}")) },
        d => DimensionProto { dim_value: Some(d), dim_param: None },
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().enumerate().map(dim).collect() });
    let ty = Some(TypeProto { tensor_type: Some(TensorTypeProto { elem_type: Some(elem_type), shape }) });
    ValueInfoProto { name: some(name), ty }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let (dims, float_data) = (dims.to_vec(), values.to_vec());
    TensorProto { name: some(name), data_type: Some(1), dims, float_data, ..TensorProto::default() }
}

fn model(opset: i64, nodes: Vec<NodeProto>, inputs: &[ValueInfoProto], weights: Vec<TensorProto>) -> ModelProto {
    let output = vec![value("y", 1, &[])];
    let graph =
        GraphProto { node: nodes, input: inputs.to_vec(), initializer: weights, output, ..GraphProto::default() };
    let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(opset) }];
    ModelProto { ir_version: Some(8), opset_import, graph: Some(graph), ..ModelProto::default() }
}

fn import(model: &ModelProto) -> Result<Imported, ImportError> {
    import_bytes(model.encode_to_vec(), None, &ImportOptions::default())
}

fn refused(model: &ModelProto) -> String {
    import(model).unwrap_err().to_string()
}

fn run(model: &ModelProto, inputs: &[Tensor]) -> Vec<f64> {
    let graph = import(model).unwrap().graph;
    cnnc_ir::graph::verify(&graph).unwrap();
    evaluate(&graph, inputs).unwrap()[0].to_f64_vec()
}

fn x(values: &[f32]) -> Tensor {
    Tensor::from_vec(&[values.len()], values).unwrap()
}

#[test]
fn bytes_that_are_no_model() {
    for bytes in [vec![], b"GIF89a....".to_vec(), vec![0xff; 64], vec![0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
        let error = import_bytes(bytes, None, &ImportOptions::default()).unwrap_err();
        assert!(matches!(error, ImportError::Decode { .. }), "{error}");
    }
}

#[test]
fn nodes_in_any_order() {
    let nodes = vec![node("Relu", &["a"], &["y"]), node("Neg", &["x"], &["a"])];
    assert_eq!(run(&model(13, nodes, &[value("x", 1, &[2])], vec![]), &[x(&[1.0, -2.0])]), [0.0, 2.0]);
}

#[test]
fn broken_graphs() {
    let input = [value("x", 1, &[2])];
    let cycle = vec![node("Add", &["x", "y"], &["a"]), node("Relu", &["a"], &["y"])];
    assert!(refused(&model(13, cycle, &input, vec![])).contains("cycle through the nodes Add_0, Relu_1"));
    let undefined = vec![node("Add", &["x", "nowhere"], &["y"])];
    assert!(refused(&model(13, undefined, &input, vec![])).contains("'nowhere', which nothing defines"));
    let twice = vec![node("Relu", &["x"], &["y"]), node("Neg", &["x"], &["y"])];
    assert!(refused(&model(13, twice, &input, vec![])).contains("'y' is defined twice"));
    let missing = vec![node("Relu", &["x"], &["z"])];
    assert!(refused(&model(13, missing, &input, vec![])).contains("output 'y' is defined by nothing"));
    let short = vec![node("Add", &["x"], &["y"])];
    assert!(refused(&model(13, short, &input, vec![])).contains("node 'Add_0' (Add): operand 1 is missing"));
}

#[test]
fn wrong_attributes() {
    let input = [value("x", 1, &[1, 1, 4, 4])];
    let pool = node("MaxPool", &["x"], &["y"]);
    assert!(refused(&model(13, vec![pool.clone()], &input, vec![])).contains("attribute 'kernel_shape' is missing"));
    let typed = NodeProto { attribute: vec![float("kernel_shape", 2.0)], ..pool.clone() };
    assert!(refused(&model(13, vec![typed], &input, vec![])).contains("must be a list of integers"));
    let zero = NodeProto { attribute: vec![ints("kernel_shape", &[2, 2]), ints("strides", &[0, 1])], ..pool };
    assert!(refused(&model(13, vec![zero], &input, vec![])).contains("'strides' is [0, 1]"));
}

#[test]
fn every_unsupported_operator_is_listed() {
    let mut custom = node("Fancy", &["a"], &["b"]);
    custom.domain = some("org.example");
    let nodes = vec![node("Foo", &["x"], &["a"]), custom, node("Foo", &["b"], &["y"])];
    let ImportError::Unsupported { ops, .. } = import(&model(13, nodes, &[value("x", 1, &[2])], vec![])).unwrap_err()
    else {
        panic!("expected the list of unsupported operators");
    };
    assert_eq!(ops.len(), 2);
    assert_eq!((ops[0].op.as_str(), ops[0].nodes.len()), ("Foo", 2));
    assert_eq!(ops[1].to_string(), "org.example.Fancy x1 (Fancy_1)");
}

#[test]
fn dims_of_inputs_and_weights() {
    let relu = || vec![node("Relu", &["x"], &["y"])];
    let dynamic = model(13, relu(), &[value("x", 1, &[-1, 3, -1])], vec![]);
    let ImportError::DynamicDim { input, dim, flag, .. } = import(&dynamic).unwrap_err() else { panic!() };
    assert_eq!((input.as_str(), dim.as_str(), flag.as_str()), ("x", "0 (d0)", "x=1x3x224"));
    let mut options = ImportOptions::default();
    options.shapes.insert("x".into(), vec![5, 3, 7]);
    let graph = import_bytes(dynamic.encode_to_vec(), None, &options).unwrap().graph;
    assert_eq!(graph.ty(graph.outputs[0].value).dims, [5, 3, 7]);
    options.shapes.insert("z".into(), vec![1]);
    let error = import_bytes(dynamic.encode_to_vec(), None, &options).unwrap_err().to_string();
    assert!(error.contains("input 'z'") && error.contains("it has x"), "{error}");

    assert!(refused(&model(13, relu(), &[value("x", 1, &[-2])], vec![])).contains("0 (-2)"));
    assert!(refused(&model(13, relu(), &[value("x", 1, &[1 << 40, 1 << 40])], vec![])).contains("larger than memory"));
    let add = || vec![node("Add", &["x", "w"], &["y"])];
    let input = [value("x", 1, &[2])];
    let bad = |dims: &[i64]| refused(&model(13, add(), &input, vec![floats("w", dims, &[1.0, 2.0])]));
    assert!(bad(&[-2]).contains("tensor 'w'") && bad(&[-2]).contains("negative"));
    assert!(bad(&[1 << 60]).contains("larger than memory"));
    assert!(bad(&[1 << 40]).contains("need 1099511627776 elements of f32, the data has 2"));
    assert!(bad(&[3]).contains("need 3 elements"));
}

#[test]
fn a_symbol_fixed_once_holds_everywhere() {
    let inputs = [value("x", 1, &[-1]), value("z", 1, &[-1])];
    let model = model(13, vec![node("Add", &["x", "z"], &["y"])], &inputs, vec![]);
    let mut options = ImportOptions::default();
    options.shapes.insert("x".into(), vec![4]);
    let graph = import_bytes(model.encode_to_vec(), None, &options).unwrap().graph;
    assert_eq!(graph.ty(graph.inputs()[1]).dims, [4]);
}

#[test]
fn shapes_that_depend_on_inputs_are_asked_for() {
    let inputs = [value("x", 1, &[4]), value("s", 7, &[2])];
    let nodes = vec![node("Abs", &["s"], &["t"]), node("Reshape", &["x", "t"], &["y"])];
    let model = model(13, nodes, &inputs, vec![]);
    let ImportError::NeedsValue { operand, inputs, .. } = import(&model).unwrap_err() else { panic!() };
    assert_eq!((operand.as_str(), inputs), ("shape", vec!["s".to_string()]));
    let mut options = ImportOptions::default();
    options.bound.insert("s".into(), Tensor::from_vec(&[2], &[2i64, -2]).unwrap());
    let graph = import_bytes(model.encode_to_vec(), None, &options).unwrap().graph;
    assert_eq!(graph.inputs().len(), 1);
    assert_eq!(graph.ty(graph.outputs[0].value).dims, [2, 2]);
    options.bound.insert("s".into(), Tensor::from_vec(&[2], &[2f32, 2.0]).unwrap());
    assert!(import_bytes(model.encode_to_vec(), None, &options).unwrap_err().to_string().contains("is of i64"));
}

#[test]
fn an_input_with_an_initializer_is_a_constant() {
    let inputs = [value("x", 1, &[2]), value("w", 1, &[2])];
    let nodes = vec![node("Mul", &["x", "w"], &["y"])];
    let model = model(8, nodes, &inputs, vec![floats("w", &[2], &[3.0, 4.0])]);
    assert_eq!(run(&model, &[x(&[1.0, 2.0])]), [3.0, 8.0]);
}

fn function(name: &str, nodes: Vec<NodeProto>) -> FunctionProto {
    let (input, output) = (names(&["p", "q"]), names(&["r"]));
    let attribute_proto = vec![float("slope", 0.5)];
    FunctionProto {
        name: some(name),
        domain: some("f"),
        input,
        output,
        attribute_proto,
        node: nodes,
        ..Default::default()
    }
}

#[test]
fn functions_are_inlined() {
    let call = |attributes: Vec<AttributeProto>, name: &str, inputs: &[&str], outputs: &[&str]| {
        let (domain, name) = (some("f"), some(name));
        NodeProto { domain, name, attribute: attributes, ..node("Leak", inputs, outputs) }
    };
    let leaky = NodeProto { attribute: vec![reference("alpha", "slope")], ..node("LeakyRelu", &["t"], &["r"]) };
    let body = vec![node("Add", &["p", "q"], &["t"]), leaky];
    let nodes = vec![
        call(vec![], "first", &["x", "x"], &["a"]),
        call(vec![float("slope", 2.0)], "second", &["a", "x"], &["y"]),
    ];
    let mut model = model(13, nodes, &[value("x", 1, &[2])], vec![]);
    model.functions = vec![function("Leak", body)];
    // x + x = 2, -4 -> 2, -2 (slope 1/2) -> + x = 3, -4 -> 3, -8 (slope 2)
    assert_eq!(run(&model, &[x(&[1.0, -2.0])]), [3.0, -8.0]);
    let graph = import(&model).unwrap().graph;
    assert!(graph.nodes().any(|(_, n)| n.name == "second/LeakyRelu_1"));
    model.functions[0].node[0] = NodeProto { domain: some("f"), ..node("Leak", &["p", "q"], &["t"]) };
    assert!(refused(&model).contains("calls itself"));

    let deep = |k: usize| {
        let inner = NodeProto { domain: some("f"), ..node(&format!("F{}", k + 1), &["p", "q"], &["r"]) };
        function(&format!("F{k}"), vec![inner.clone(), NodeProto { output: names(&["s"]), ..inner }])
    };
    model.functions = (0..20_000).map(deep).collect();
    let graph = model.graph.as_mut().unwrap();
    graph.node = vec![NodeProto { domain: some("f"), ..node("F0", &["x", "x"], &["y"]) }];
    assert!(refused(&model).contains("more than 64 deep"));
    model.functions.truncate(30);
    assert!(refused(&model).contains("more than 262144 nodes"));
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |key: &str, value: &str| StringStringEntryProto { key: some(key), value: some(value) };
    let path = folder.path().join("m.onnx");
    let write = |location: &str, extra: Vec<StringStringEntryProto>| {
        let mut weight = floats("w", &[2], &[]);
        weight.data_location = Some(LOCATION_EXTERNAL);
        weight.external_data = [vec![entry("location", location)], extra].concat();
        let model = model(13, vec![node("Add", &["x", "w"], &["y"])], &[value("x", 1, &[2])], vec![weight]);
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        import_file(&path, &ImportOptions::default())
    };
    let missing = write("w.bin", vec![]).unwrap_err().to_string();
    assert!(missing.contains("tensor 'w'") && missing.contains("w.bin"), "{missing}");
    std::fs::write(folder.path().join("w.bin"), [0u8, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64]).unwrap();
    let graph = write("w.bin", vec![entry("offset", "4"), entry("length", "8")]).unwrap().graph;
    assert_eq!(evaluate(&graph, &[x(&[1.0, 1.0])]).unwrap()[0].to_f64_vec(), [2.0, 3.0]);
    assert!(write("w.bin", vec![entry("offset", "8")]).unwrap_err().to_string().contains("need 8"));
    assert!(write("w.bin", vec![entry("offset", "99")]).unwrap_err().to_string().contains("outside"));
    assert!(write("w.bin", vec![entry("length", "12")]).unwrap_err().to_string().contains("need 8"));
    for outside in ["../w.bin", "/etc/passwd", "a/../../w.bin"] {
        assert!(write(outside, vec![]).unwrap_err().to_string().contains("leaves the model's folder"));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        assert!(write("link", vec![]).unwrap_err().to_string().contains("leaves the model's folder"));
    }
    assert_eq!(inspect_inputs(&path).unwrap()[0].dtype, Ok(DType::F32));
}

#[test]
fn old_broadcasting_places_the_operand_at_an_axis() {
    let mut add = node("Add", &["x", "w"], &["y"]);
    let int = |name: &str, i: i64| AttributeProto { name: some(name), i: Some(i), ..AttributeProto::default() };
    add.attribute = vec![int("broadcast", 1), int("axis", 0)];
    let model = model(6, vec![add], &[value("x", 1, &[2, 2])], vec![floats("w", &[2], &[10.0, 20.0])]);
    let x = Tensor::from_vec(&[2, 2], &[1f32, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(run(&model, &[x]), [11.0, 12.0, 23.0, 24.0]);
}

/// A model with a convolution, a pool, normalisation, reductions and a computed shape.
fn varied() -> ModelProto {
    let conv = NodeProto { attribute: vec![ints("pads", &[1, 1, 1, 1])], ..node("Conv", &["x", "w", "b"], &["c"]) };
    let pool = NodeProto { attribute: vec![ints("kernel_shape", &[2, 2])], ..node("MaxPool", &["c"], &["p"]) };
    let constant = NodeProto { attribute: vec![ints("value_ints", &[0, -1])], ..node("Constant", &[], &["s"]) };
    let nodes = vec![
        conv,
        pool,
        constant,
        node("Reshape", &["p", "s"], &["r"]),
        node("Gemm", &["r", "m"], &["g"]),
        node("Softmax", &["g"], &["y"]),
    ];
    let weights =
        vec![floats("w", &[2, 1, 3, 3], &[0.5; 18]), floats("b", &[2], &[1.0; 2]), floats("m", &[18, 2], &[0.1; 36])];
    model(13, nodes, &[value("x", 1, &[1, 1, 4, 4])], weights)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_bytes_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: bool) {
        let mut bytes = varied().encode_to_vec();
        for (at, byte) in &edits {
            let k = at.index(bytes.len());
            bytes[k] = *byte;
        }
        if cut {
            bytes.truncate(edits[0].0.index(bytes.len()));
        }
        let _ = import_bytes(bytes, None, &ImportOptions::default());
    }

    #[test]
    fn odd_attributes_never_panic(
        row in any::<prop::sample::Index>(),
        opset in 1i64..29,
        dims in prop::collection::vec(0i64..5, 0..6),
        second in prop::collection::vec(0i64..5, 0..6),
        numbers in prop::collection::vec(prop_oneof![-3i64..6, Just(i64::MAX), Just(i64::MIN), Just(1 << 31)], 0..6),
        chosen in 0usize..ATTRIBUTES.len(),
        wide: bool,
    ) {
        let (op, _) = cnnc_onnx::operators().nth(row.index(cnnc_onnx::operators().count())).unwrap();
        let attribute = |name: &str| {
            let mut attribute = ints(name, &numbers);
            attribute.kind = None;
            attribute.i = numbers.first().copied();
            attribute.s = Some(prost::bytes::Bytes::from_static(b"SAME_UPPER"));
            attribute
        };
        let mut odd = node(op, &["x", "w", "k"], &["y", "y2"]);
        odd.attribute = ATTRIBUTES.iter().filter(|a| **a == ATTRIBUTES[chosen] || wide).map(|a| attribute(a)).collect();
        let shape = TensorProto { data_type: Some(7), dims: vec![numbers.len() as i64], int64_data: numbers.clone(),
            name: some("k"), ..TensorProto::default() };
        let inputs = [value("x", 1, &dims), value("w", 1, &second)];
        let mut model = model(opset, vec![odd.clone()], &inputs, vec![shape]);
        let _ = import(&model);
        if let Some(graph) = &mut model.graph {
            graph.node[0].input = names(&["x", "k"]);
            graph.node[0].output = names(&["y"]);
        }
        let _ = import(&model);
    }
}

const ATTRIBUTES: &[&str] = &[
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "group",
    "auto_pad",
    "axis",
    "axes",
    "output_shape",
    "output_padding",
    "ceil_mode",
    "p",
    "num_groups",
    "size",
    "keepdims",
    "broadcast",
    "to",
    "shape",
    "perm",
    "split",
    "starts",
    "ends",
    "value_ints",
    "k",
    "repeats",
    "blocksize",
    "scales",
    "batch_dims",
    "num_outputs",
    "upper",
];
