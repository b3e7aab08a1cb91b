//! What the tests of the command line share: the program, a folder, small models, .npy files.
#![allow(clippy::unwrap_used, dead_code)]

use cnnc_onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use prost::Message;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A temporary folder in which the program runs.
pub struct Folder(tempfile::TempDir);

/// What the program said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Names of the files in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with arguments separated by blanks, to be run in the folder.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnnc"));
        command.args(args.split_whitespace()).current_dir(self.0.path()).env_remove("CNNC_LOG").stdin(Stdio::null());
        // What was measured of this machine changes choices: the tests see none of it.
        command.env("XDG_CACHE_HOME", self.0.path().join("cache")).env("XDG_DATA_HOME", self.0.path().join("data"));
        command
    }

    /// Runs the program.
    pub fn cnnc(&self, args: &str) -> Said {
        said(self.command(args))
    }

    /// Runs the program, which must succeed, and returns its standard output.
    pub fn ok(&self, args: &str) -> String {
        let said = self.cnnc(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "cnnc {args}");
        said.out
    }
}

pub fn said(mut command: Command) -> Said {
    command.stdout(Stdio::piped());
    said_to(command)
}

/// What the program says when its standard output is where the command has put it.
pub fn said_to(mut command: Command) -> Said {
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A file that ships with cnnc.
pub fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name).canonicalize().unwrap().display().to_string()
}

/// A `.npy` file.
pub fn npy(descr: &str, dims: &[usize], data: &[u8]) -> Vec<u8> {
    let dims: String = dims.iter().map(|d| format!("{d},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims})}}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// A `.npy` file of f32.
pub fn npy_f32(dims: &[usize], values: &[f32]) -> Vec<u8> {
    npy("<f4", dims, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// The f32 values of a `.npy` file of 64 bytes of header a multiple.
pub fn f32_values(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let start = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    bytes[start..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Element types of ONNX.
pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;

/// A model with those nodes (operator, inputs, output), inputs and one output. A dim of -1 is symbolic.
pub fn model(nodes: &[(&str, &[&str], &str)], inputs: &[(&str, i32, &[i64])], output: &str) -> Vec<u8> {
    let node = |(k, (op, inputs, output)): (usize, &(&str, &[&str], &str))| NodeProto {
        op_type: Some(op.to_string()),
        name: Some(format!("{op}_{k}")),
        input: inputs.iter().map(|i| i.to_string()).collect(),
        output: vec![output.to_string()],
        ..NodeProto::default()
    };
    let dim = |&d: &i64| match d {
        -1 => DimensionProto { dim_value: None, dim_param: Some("n".into()) },
        d => DimensionProto { dim_value: Some(d), dim_param: None },
    };
    let value = |name: &str, elem_type: i32, shape: Option<TensorShapeProto>| ValueInfoProto {
        name: Some(name.to_string()),
        ty: Some(TypeProto { tensor_type: Some(TensorTypeProto { elem_type: Some(elem_type), shape }) }),
    };
    let shape = |dims: &[i64]| Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let graph = GraphProto {
        name: Some("small".into()),
        node: nodes.iter().enumerate().map(node).collect(),
        input: inputs.iter().map(|(name, kind, dims)| value(name, *kind, shape(dims))).collect(),
        output: vec![value(output, FLOAT, None)],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: None, version: Some(17) };
    let model =
        ModelProto { ir_version: Some(8), opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() };
    model.encode_to_vec()
}

/// `y = neg(x)` over a vector of unknown length.
pub fn negating() -> Vec<u8> {
    model(&[("Neg", &["x"], "y")], &[("x", FLOAT, &[-1])], "y")
}

/// `y = reshape(x, shape)`, the shape an input.
pub fn reshaping() -> Vec<u8> {
    let inputs: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[2, 3]), ("shape", INT64, &[2])];
    model(&[("Reshape", &["x", "shape"], "r"), ("Neg", &["r"], "y")], inputs, "y")
}

/// Two convolutions with their weights in the model: 3x3 over `[1, 16, 14, 14]`, relu, 1x1.
pub fn convolutions() -> Vec<u8> {
    let initializer = |name: &str, dims: &[i64]| TensorProto {
        dims: dims.to_vec(),
        data_type: Some(FLOAT),
        name: Some(name.into()),
        float_data: (0..dims.iter().product::<i64>()).map(|k| ((k * 37 % 101) as f32 - 50.0) / 400.0).collect(),
        ..TensorProto::default()
    };
    let nodes: &[(&str, &[&str], &str)] =
        &[("Conv", &["x", "w", "b"], "c"), ("Relu", &["c"], "r"), ("Conv", &["r", "v"], "y")];
    let mut decoded = ModelProto::decode(&model(nodes, &[("x", FLOAT, &[1, 16, 14, 14])], "y")[..]).unwrap();
    let graph = decoded.graph.as_mut().unwrap();
    let tensors: [(&str, &[i64]); 3] = [("w", &[32, 16, 3, 3]), ("b", &[32]), ("v", &[48, 32, 1, 1])];
    graph.initializer = tensors.iter().map(|(name, dims)| initializer(name, dims)).collect();
    // The kind of an attribute that is a list of integers.
    let pads = AttributeProto { name: Some("pads".into()), kind: Some(7), ints: vec![1; 4], ..Default::default() };
    graph.node[0].attribute.push(pads);
    decoded.encode_to_vec()
}
