//! ONNX's own backend tests, through import, passes, choice, lowering and emitted machine code.
//!
//! `scripts/conformance.sh` fetches them; where they are absent this prints so and passes. Every test passes or stands in
//! `tests/conformance_skips.txt` with a reason; a listed test that passes must leave the list. Only inputs that decide
//! shapes are bound at compile time.

#![allow(clippy::unwrap_used)]

use cnnc_codegen::Backend;
use cnnc_compiler::{Choices, CompileError, Options, compile};
use cnnc_onnx::{ImportError, proto::TensorProto};
use cnnc_runtime::{Model, Session};
use cnnc_tensor::{DType, Tensor};
use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// At most this many tests may be skipped.
const MAX_SKIPPED: usize = 60;

#[derive(Deserialize)]
struct Tolerance {
    rtol: f64,
    atol: f64,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn onnx_backend_tests_pass_through_emitted_code() {
    let folder = std::env::var_os("CNNC_CONFORMANCE").map_or_else(|| root().join("target/conformance"), PathBuf::from);
    let Ok(index) = std::fs::read_to_string(folder.join("index.json")) else {
        println!("skipped: no backend tests in {} (scripts/conformance.sh fetches them)", folder.display());
        return;
    };
    let filter = std::env::var("CNNC_CONFORMANCE_FILTER").unwrap_or_default();
    let index: BTreeMap<String, Tolerance> = serde_json::from_str(&index).unwrap();
    let skips = skip_list();
    let backend = if Backend::Llvm.available() { Backend::Llvm } else { Backend::Cranelift };
    let queue = Mutex::new(index.iter().filter(|(name, _)| name.contains(&filter)));
    let failures = Mutex::new(Vec::new());
    let passed = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                loop {
                    let Some((name, tolerance)) = queue.lock().unwrap().next() else { return };
                    let outcome = run_test(&folder.join(name), tolerance, backend);
                    match (outcome, skips.get(name.as_str())) {
                        (Ok(()), None) => *passed.lock().unwrap() += 1,
                        (Ok(()), Some(_)) => {
                            failures.lock().unwrap().push(format!("{name}: passes, but is listed as skipped"))
                        }
                        (Err(_), Some(_)) => {}
                        (Err(what), None) => failures.lock().unwrap().push(format!("{name}: {what}")),
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    println!("{} passed, {} skipped, {} failed", passed.into_inner().unwrap(), skips.len(), failures.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(skips.len() <= MAX_SKIPPED, "{} tests are skipped, at most {MAX_SKIPPED} may be", skips.len());
}

/// Test names with the reasons why they are skipped.
fn skip_list() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("tests/conformance_skips.txt")).unwrap();
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason given: {line}"));
            (name.to_string(), reason.to_string())
        })
        .collect()
}

fn run_test(folder: &Path, tolerance: &Tolerance, backend: Backend) -> Result<(), String> {
    for set in 0.. {
        let data = folder.join(format!("test_data_set_{set}"));
        if !data.exists() {
            return if set > 0 { Ok(()) } else { Err("no data".into()) };
        }
        let run = std::panic::catch_unwind(|| run_data_set(&folder.join("model.onnx"), &data, tolerance, backend));
        run.unwrap_or_else(|_| Err("panic".into()))?;
    }
    Ok(())
}

fn run_data_set(model: &Path, data: &Path, tolerance: &Tolerance, backend: Backend) -> Result<(), String> {
    let (inputs, expected) = (tensors(data, "input")?, tensors(data, "output")?);
    let declared = cnnc_onnx::inspect_inputs(model).map_err(|e| e.to_string())?;
    let named: BTreeMap<String, Tensor> =
        declared.iter().filter(|i| !i.has_default).map(|i| i.name.clone()).zip(inputs).collect();
    let mut options = Options::new(&[], backend, 1).ok_or("unknown machine")?;
    for (name, tensor) in &named {
        options.import.shapes.insert(name.clone(), tensor.dims().to_vec());
    }
    let compiled = loop {
        match compile(model, &options, &|_| Choices::default()) {
            Ok(compiled) => break compiled,
            Err(CompileError::Import(ImportError::NeedsValue { inputs, .. }))
                if inputs.iter().any(|name| !options.import.bound.contains_key(name)) =>
            {
                for name in inputs {
                    let tensor = named.get(&name).ok_or("a shape depends on an unknown input")?;
                    options.import.shapes.remove(&name);
                    options.import.bound.insert(name, tensor.clone());
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let variant = compiled.variants.into_iter().next().ok_or("nothing compiled")?;
    let elements: usize = expected.iter().map(Tensor::count).sum();
    if variant.plan.steps.is_empty() && elements > 0 {
        return Err("no kernel ran".into());
    }
    let model = Model::from_variant("test", variant).map_err(|e| e.to_string())?;
    let feeds: Vec<Tensor> = model.inputs().iter().map(|io| named[&io.name].clone()).collect();
    let mut session = Session::new(&Arc::new(model), 1).map_err(|e| e.to_string())?;
    let outputs = session.run_tensors(&feeds).map_err(|e| e.to_string())?;
    if outputs.len() != expected.len() {
        return Err(format!("{} outputs, {} expected", outputs.len(), expected.len()));
    }
    for (k, (got, want)) in outputs.iter().zip(&expected).enumerate() {
        agree(got, want, tolerance).map_err(|what| format!("output {k}: {what}"))?;
    }
    Ok(())
}

fn tensors(data: &Path, kind: &str) -> Result<Vec<Tensor>, String> {
    let mut list = Vec::new();
    while let Ok(bytes) = std::fs::read(data.join(format!("{kind}_{}.pb", list.len()))) {
        let proto = TensorProto::decode(bytes.as_slice()).map_err(|e| e.to_string())?;
        list.push(cnnc_onnx::load_tensor(&proto, None)?);
    }
    Ok(list)
}

fn agree(got: &Tensor, want: &Tensor, tolerance: &Tolerance) -> Result<(), String> {
    if got.dims() != want.dims() || got.dtype() != want.dtype() {
        return Err(format!("{}{:?}, expected {}{:?}", got.dtype(), got.dims(), want.dtype(), want.dims()));
    }
    if got.dtype() == DType::Bool || got.dtype().is_int() {
        return if got == want { Ok(()) } else { Err(format!("{got:?}, expected {want:?}")) };
    }
    for (k, (x, y)) in got.to_f64_vec().into_iter().zip(want.to_f64_vec()).enumerate() {
        let same = x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance.atol + tolerance.rtol * y.abs();
        if !same {
            return Err(format!("element {k} is {x}, expected {y}"));
        }
    }
    Ok(())
}
