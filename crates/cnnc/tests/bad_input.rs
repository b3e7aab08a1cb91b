//! Bad models, inputs, artifacts and disks, from outside: the documented exit code, exactly one message on standard
//! error, nothing half-written. What `command_line_errors.rs` shows already is not repeated.
#![allow(clippy::unwrap_used)]

mod support;

use cnnc_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};
use prost::Message;
use prost::bytes::Bytes;
use std::os::unix::process::CommandExt;
use support::{FLOAT, Folder, INT64, Said, model, negating, npy, npy_f32, said};

type Node<'a> = (&'a str, &'a [&'a str], &'a str);

/// A model that a closure changes.
fn changed(nodes: &[Node], inputs: &[(&str, i32, &[i64])], change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let output = nodes.last().unwrap().2;
    let mut model = ModelProto::decode(model(nodes, inputs, output).as_slice()).unwrap();
    change(model.graph.as_mut().unwrap());
    model.encode_to_vec()
}

fn weight(name: &str, kind: i32, dims: &[i64], bytes: usize) -> TensorProto {
    let raw_data = Some(Bytes::from(vec![0; bytes]));
    TensorProto { name: Some(name.into()), data_type: Some(kind), dims: dims.to_vec(), raw_data, ..Default::default() }
}

fn external(location: &str) -> TensorProto {
    let entry = StringStringEntryProto { key: Some("location".into()), value: Some(location.into()) };
    let tensor = weight("w", FLOAT, &[3], 0);
    TensorProto { raw_data: None, data_location: Some(1), external_data: vec![entry], ..tensor }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), kind: Some(7), ints: ints.to_vec(), ..AttributeProto::default() }
}

/// One message, which says what is wrong; no file more or less than before.
fn refused(folder: &Folder, args: &str, code: i32, message: &str) -> Said {
    let before = folder.names();
    let said = folder.cnnc(args);
    one_message(&said, code, message);
    assert_eq!(folder.names(), before, "{args} left something");
    said
}

fn one_message(said: &Said, code: i32, message: &str) {
    assert_eq!((said.code, said.out.as_str()), (code, ""), "{said:?}");
    assert!(said.err.starts_with("error: ") && said.err.contains(message), "wanted: {message}\n{said:?}");
    assert_eq!(said.err.lines().filter(|l| !l.starts_with("  hint: ")).count(), 1, "one message: {said:?}");
    for noise in ["panicked", "backtrace", "internal error", "RUST_BACKTRACE"] {
        assert!(!said.err.contains(noise), "{said:?}");
    }
}

#[test]
fn models_with_broken_contents() {
    let folder = Folder::new();
    let x: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[1, 2, 4, 4])];
    let add: &[Node] = &[("Add", &["x", "w"], "y")];
    let conv: &[Node] = &[("Conv", &["x", "w"], "y")];
    let with = |nodes: &[Node], tensor: TensorProto| changed(nodes, x, |g| g.initializer.push(tensor));
    let attribute = |nodes: &[Node], name: &str, values: &[i64], tensor: TensorProto| {
        changed(nodes, x, |g| {
            g.node[0].attribute.push(ints(name, values));
            g.initializer.push(tensor);
        })
    };
    let w = || weight("w", FLOAT, &[3, 2, 3, 3], 216);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("external", with(add, external("weights.bin")), "tensor 'w'"),
        ("external_name", with(add, external("weights.bin")), "weights.bin"),
        ("external_escape", with(add, external("../../etc/passwd")), "leaves the model's folder"),
        ("external_directory", with(add, external(".")), "tensor 'w'"),
        ("negative_weight", with(add, weight("w", FLOAT, &[-4], 16)), "negative"),
        ("overflow_weight", with(add, weight("w", FLOAT, &[1 << 40, 1 << 40], 16)), "larger than memory"),
        ("short_weight", with(add, weight("w", FLOAT, &[4], 15)), "tensor 'w'"),
        ("string_weight", with(add, weight("w", 8, &[4], 16)), "tensor 'w'"),
        ("broadcast", with(add, weight("w", FLOAT, &[3], 12)), "'Add_0' (Add)"),
        ("channels", with(conv, weight("w", FLOAT, &[3, 5, 3, 3], 540)), "'Conv_0' (Conv)"),
        ("window", with(conv, weight("w", FLOAT, &[3, 2, 9, 9], 1944)), "'Conv_0' (Conv)"),
        ("strides", attribute(conv, "strides", &[0, 1], w()), "strides"),
        ("pads", attribute(conv, "pads", &[i64::MAX; 4], w()), "'Conv_0' (Conv)"),
        ("dilations", attribute(conv, "dilations", &[i64::MAX, 1], w()), "'Conv_0' (Conv)"),
        ("self_cycle", changed(&[("Neg", &["y"], "y")], x, |_| {}), "cycle"),
        ("twice", changed(&[("Neg", &["x"], "y"), ("Abs", &["x"], "y")], x, |_| {}), "defined twice"),
        ("no_graph", ModelProto { graph: None, ..Default::default() }.encode_to_vec(), "not an ONNX model"),
        ("no_output", changed(&[("Neg", &["x"], "y")], x, |g| g.output[0].name = Some("z".into())), "'z'"),
        (
            "sequence_input",
            changed(&[("Neg", &["x"], "y")], x, |g| g.input[0] = ValueInfoProto { ty: None, ..g.input[0].clone() }),
            "input 'x'",
        ),
    ];
    for (name, bytes, message) in &cases {
        let file = format!("{name}.onnx");
        folder.write(&file, bytes);
        let said = refused(&folder, &format!("compile {file} -o out.cnna"), 2, message);
        assert!(said.err.contains(&file), "the file is named: {said:?}");
    }
    for dims in [&[1i64 << 33, 1 << 33][..], &[i64::MAX], &[i64::MIN], &[1 << 62, 2]] {
        folder.write("dims.onnx", &model(&[("Neg", &["x"], "y")], &[("x", FLOAT, dims)], "y"));
        refused(&folder, "compile dims.onnx -o out.cnna", 2, "input 'x'");
    }
    folder.write("bomb.onnx", &bomb(1 << 21));
    refused(&folder, "compile bomb.onnx -o out.cnna", 2, "empty messages");
}

/// A graph of many empty nodes.
fn bomb(count: usize) -> Vec<u8> {
    let mut bytes = vec![7 << 3 | 2];
    prost::encoding::encode_varint(2 * count as u64, &mut bytes);
    bytes.extend([1 << 3 | 2, 0].repeat(count));
    bytes
}

#[test]
fn every_prefix_of_a_model_is_refused_or_compiles() {
    let folder = Folder::new();
    let whole = changed(&[("Add", &["x", "w"], "a"), ("Neg", &["a"], "y")], &[("x", FLOAT, &[2])], |g| {
        g.initializer.push(weight("w", FLOAT, &[2], 8));
    });
    for length in (1..whole.len()).step_by(whole.len() / 12) {
        folder.write("cut.onnx", &whole[..length]);
        refused(&folder, "compile cut.onnx -o out.cnna", 2, "cut.onnx");
    }
}

#[test]
fn unknown_operators_are_listed_at_once_with_counts_and_names() {
    let folder = Folder::new();
    let nodes: &[Node] = &[
        ("Frobnicate", &["x"], "a"),
        ("Neg", &["a"], "b"),
        ("Frobnicate", &["b"], "c"),
        ("LSTM", &["c"], "d"),
        ("Custom", &["d"], "y"),
    ];
    let own = |g: &mut GraphProto| {
        let last: &mut NodeProto = g.node.last_mut().unwrap();
        last.domain = Some("com.example".into());
    };
    folder.write("net.onnx", &changed(nodes, &[("x", FLOAT, &[2])], own));
    for args in ["compile net.onnx -o out.cnna", "run net.onnx --input x.npy", "opt net.onnx"] {
        folder.write("x.npy", &npy_f32(&[2], &[0.0; 2]));
        let said = refused(&folder, args, 2, "3 operators are not supported");
        for entry in
            ["Frobnicate x2 (Frobnicate_0, Frobnicate_2)", "LSTM x1 (LSTM_3)", "com.example.Custom x1 (Custom_4)"]
        {
            assert!(said.err.contains(entry), "{said:?}");
        }
    }
}

#[test]
fn names_cannot_break_the_message() {
    let folder = Folder::new();
    let name = |g: &mut GraphProto| g.node[0].name = Some("bad\nerror: \u{1b}[2Jname".into());
    folder.write("net.onnx", &changed(&[("Frobnicate", &["x"], "y")], &[("x", FLOAT, &[2])], name));
    refused(&folder, "compile net.onnx -o out.cnna", 2, "bad\\nerror: \\u{1b}[2Jname");
}

#[test]
fn wrong_inputs_of_a_run_on_model_and_artifact() {
    let folder = Folder::new();
    let inputs: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[3]), ("k", INT64, &[1])];
    folder.write("net.onnx", &model(&[("GatherElements", &["x", "k"], "y")], inputs, "y"));
    folder.write("x.npy", &npy_f32(&[3], &[1.0, 2.0, 3.0]));
    folder.write("k.npy", &npy("<i8", &[1], &1i64.to_le_bytes()));
    folder.write("i32.npy", &npy("<i4", &[1], &1i32.to_le_bytes()));
    folder.write("long.npy", &npy("<i8", &[5], &[0; 40]));
    folder.write("short.npy", &npy_f32(&[3], &[1.0]));
    folder.ok("compile net.onnx -o net.cnna");
    for net in ["net.onnx", "net.cnna"] {
        folder.ok(&format!("run {net} --input x=x.npy --input k=k.npy"));
        for (args, message) in [
            ("--input x=x.npy", "k"),
            ("--input x=x.npy --input q=k.npy", "there is no input q"),
            ("--input x=x.npy --input k=i32.npy", "i32.npy"),
            ("--input x=k.npy --input k=k.npy", "k.npy"),
            ("--input x=short.npy --input k=k.npy", "short.npy"),
        ] {
            refused(&folder, &format!("run {net} {args}"), 2, message);
        }
    }
    refused(&folder, "run net.cnna --input x=x.npy --input k=long.npy", 2, "k: i64[1]");
    refused(&folder, "run net.cnna --input x=x.npy --input k=k.npy --output-dir x.npy", 1, "x.npy");
}

#[test]
fn artifacts_for_other_machines_and_of_other_bytes() {
    let folder = Folder::new();
    folder.write("net.onnx", &negating());
    folder.write("x.npy", &npy_f32(&[3], &[1.0, 2.0, 3.0]));
    folder.ok("compile net.onnx --shape x=3 --target x86-64-v2 -o net.cnna");
    let good = std::fs::read(folder.path("net.cnna")).unwrap();
    // The same file for an instruction set that no machine has: names of equal length, checksums made right.
    let mut other = good.clone();
    let at = other.windows(9).position(|w| w == b"x86-64-v2").unwrap();
    other[at..at + 9].copy_from_slice(b"riscv64-v");
    folder.write("damaged.cnna", &other);
    refused(&folder, "run damaged.cnna --input x.npy", 2, "damaged.cnna: damaged: checksum");
    cnnc_artifact::format::reseal(&mut other);
    folder.write("other.cnna", &other);
    let said = refused(&folder, "run other.cnna --input x.npy", 2, "riscv64-v");
    assert!(said.err.contains("other.cnna"), "{said:?}");
    let mut code = good.clone();
    code[4096] ^= 1;
    folder.write("code.cnna", &code);
    refused(&folder, "run code.cnna --input x.npy", 2, "code.cnna: damaged: checksum");
    folder.write("onnx.cnna", &negating());
    refused(&folder, "inspect onnx.cnna", 2, "not a cnnc artifact");
    refused(&folder, "bench code.cnna --iters 1", 2, "code.cnna");
    refused(&folder, "profile code.cnna", 2, "code.cnna");
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::new();
    folder.write("net.onnx", &negating());
    folder.write("x.npy", &npy_f32(&[3], &[1.0, 2.0, 3.0]));
    folder.write("plain", b"a file");
    refused(&folder, "compile net.onnx --shape x=3 -o plain/net.cnna", 1, "cannot write plain/net.cnna");
    refused(&folder, "opt net.onnx --shape x=3 -o none/net.cir", 1, "none");
    refused(&folder, "opt net.onnx --shape x=3 --dump plain/sub", 1, "plain");
    refused(&folder, "run net.onnx --input x.npy --output-dir plain/out", 1, "plain");
    assert_eq!(std::fs::read(folder.path("plain")).unwrap(), b"a file");
    // No file may grow at all: the first byte fails, as on a full disk.
    let before = folder.names();
    for (args, message) in [
        ("compile net.onnx --shape x=3 -o net.cnna", "cannot write net.cnna"),
        ("opt net.onnx --shape x=3 -o net.cir", "cannot write net.cir"),
    ] {
        let mut command = folder.command(args);
        // SAFETY: setrlimit may be called between fork and exec.
        unsafe { command.pre_exec(no_space) };
        one_message(&said(command), 1, message);
        assert_eq!(folder.names(), before, "{args} left something");
    }
}

fn no_space() -> std::io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit lives on this stack.
    if unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &none) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}
