//! ONNX's own backend tests, computed by the reference evaluation of the graph IR.
//!
//! `CNNC_CONFORMANCE` names a folder with an `index.json` and one folder a test (`model.onnx`,
//! `test_data_set_K/{input,output}_I.pb`); without it the test is skipped and says so. `CNNC_CONFORMANCE_ONLY` keeps the
//! tests whose name holds that text. `old_opsets.py` writes such a folder for old versions of the operators.

use cnnc_ir::graph::{Graph, evaluate};
use cnnc_onnx::proto::TensorProto;
use cnnc_onnx::{ImportError, ImportOptions, import_file, inspect_inputs, load_tensor};
use cnnc_tensor::Tensor;
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;

const HALF: &str = "the expected data rounds to the half type after every step, we round once";
const FRACTIONAL: &str = "the expected data takes corners at the fractional size 2.4; the specification's text, PyTorch \
                          and ONNX Runtime take the result's own size";

/// Tests that do not pass, by the beginning of the name, each with its reason.
const EXPECTED: &[(&str, &str)] = &[
    ("test_training_dropout", "random; only a ratio of 0 is imported"),
    ("test_equal_string", "text"),
    ("test_celu_bfloat16", HALF),
    ("test_attention_3d_causal_bf16", HALF),
    ("test_attention_4d_attn_mask_causal_bf16", HALF),
    ("test_attention_4d_causal_bf16", HALF),
    ("test_attention_4d_causal_fp16", HALF),
    ("test_attention_4d_causal_padded_kv_bf16", HALF),
    ("test_attention_4d_padded_kv_bf16", HALF),
    ("test_resize_downsample_scales_cubic_align_corners", FRACTIONAL),
    ("test_resize_downsample_scales_linear_align_corners", FRACTIONAL),
];

fn tensors(folder: &Path, kind: &str) -> Result<Vec<Tensor>, String> {
    let mut list = vec![];
    while let Ok(bytes) = std::fs::read(folder.join(format!("{kind}_{}.pb", list.len()))) {
        let proto = TensorProto::decode(bytes.as_slice()).map_err(|e| e.to_string())?;
        list.push(load_tensor(&proto, None).map_err(|e| format!("{kind} {}: {e}", list.len()))?);
    }
    Ok(list)
}

/// Imports with the inputs' shapes, binding what shapes depend on; returns the graph and its run-time inputs.
fn imported(model: &Path, inputs: &[Tensor]) -> Result<(Graph, Vec<Tensor>), String> {
    let declared = inspect_inputs(model).map_err(|e| e.to_string())?;
    let names: Vec<String> = declared.into_iter().filter(|i| !i.has_default).map(|i| i.name).collect();
    if names.len() != inputs.len() {
        return Err(format!("the model has {} inputs, the data {}", names.len(), inputs.len()));
    }
    let given: BTreeMap<String, Tensor> = names.iter().cloned().zip(inputs.iter().cloned()).collect();
    let shapes = given.iter().map(|(name, t)| (name.clone(), t.dims().to_vec())).collect();
    let mut options = ImportOptions { shapes, bound: BTreeMap::new() };
    loop {
        match import_file(model, &options) {
            Ok(imported) => {
                let unbound = names.iter().filter(|n| !options.bound.contains_key(*n));
                return Ok((imported.graph, unbound.map(|n| given[n].clone()).collect()));
            }
            Err(ImportError::NeedsValue { inputs, .. }) if inputs.iter().any(|n| !options.bound.contains_key(n)) => {
                options.bound.extend(inputs.into_iter().map(|n| (n.clone(), given[&n].clone())));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn compare(got: &Tensor, want: &Tensor, rtol: f64, atol: f64) -> Result<(), String> {
    if got.dtype() != want.dtype() || got.dims() != want.dims() {
        return Err(format!("is {}{:?}, not {}{:?}", got.dtype(), got.dims(), want.dtype(), want.dims()));
    }
    for (k, (a, b)) in got.to_f64_vec().into_iter().zip(want.to_f64_vec()).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= atol + rtol * b.abs();
        if !close {
            return Err(format!("element {k} is {a}, not {b}"));
        }
    }
    Ok(())
}

fn check(folder: &Path, rtol: f64, atol: f64) -> Result<(), String> {
    for set in 0.. {
        let data = folder.join(format!("test_data_set_{set}"));
        if !data.is_dir() {
            return if set == 0 { Err("no data".into()) } else { Ok(()) };
        }
        let (inputs, outputs) = (tensors(&data, "input")?, tensors(&data, "output")?);
        let (graph, inputs) = imported(&folder.join("model.onnx"), &inputs)?;
        cnnc_ir::graph::verify(&graph).map_err(|e| format!("verifier: {e}"))?;
        let got = evaluate(&graph, &inputs).map_err(|e| format!("evaluation: {e}"))?;
        if got.len() != outputs.len() {
            return Err(format!("{} outputs, not {}", got.len(), outputs.len()));
        }
        for (k, (got, want)) in got.iter().zip(&outputs).enumerate() {
            compare(got, want, rtol, atol).map_err(|e| format!("output {k} {e}"))?;
        }
    }
    Ok(())
}

#[test]
fn backend_tests() {
    let Ok(root) = std::env::var("CNNC_CONFORMANCE") else {
        println!("skipped: CNNC_CONFORMANCE names no folder of ONNX backend tests");
        return;
    };
    let root = Path::new(&root);
    let text = std::fs::read_to_string(root.join("index.json")).unwrap();
    let index: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let only = std::env::var("CNNC_CONFORMANCE_ONLY").unwrap_or_default();
    let (mut passed, mut expected, mut other_types, mut failed) = (0, 0, 0, vec![]);
    for (name, entry) in index.iter().filter(|(name, _)| name.contains(&only)) {
        let tolerance = |key: &str| entry[key].as_f64().unwrap_or(1e-3);
        let result = check(&root.join(name), tolerance("rtol"), tolerance("atol"));
        let short = name.rsplit('/').next().unwrap_or(name);
        let reason = EXPECTED.iter().find(|(prefix, _)| short.starts_with(prefix));
        match (result, reason) {
            (Ok(()), _) => passed += 1,
            (Err(_), Some(_)) => expected += 1,
            // float8, int4 and the like, which the compiler has no element type for
            (Err(why), None) if why.contains("element type") && why.contains("is not supported") => other_types += 1,
            (Err(why), None) => failed.push(format!("{name}: {why}")),
        }
    }
    let failures = failed.len();
    println!("{passed} passed, {expected} fail as listed, {other_types} of other element types, {failures} failed");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Every model of the tests with some of its bytes changed: errors are fine, panics and endless work are not.
#[test]
fn damaged_backend_tests() {
    let Ok(root) = std::env::var("CNNC_CONFORMANCE") else {
        println!("skipped: CNNC_CONFORMANCE names no folder of ONNX backend tests");
        return;
    };
    let rounds = std::env::var("CNNC_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let root = Path::new(&root);
    let text = std::fs::read_to_string(root.join("index.json")).unwrap();
    let index: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % limit.max(1)
    };
    for name in index.keys() {
        let bytes = std::fs::read(root.join(name).join("model.onnx")).unwrap();
        for _ in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = if random(2) == 0 { random(256) as u8 } else { damaged[at] ^ (1 << random(8)) };
            }
            let mut options = ImportOptions::default();
            for _ in 0..4 {
                match cnnc_onnx::import_bytes(damaged.clone(), None, &options) {
                    Err(ImportError::DynamicDim { input, .. }) => _ = options.shapes.insert(input, vec![2, 3, 4]),
                    Err(ImportError::NeedsValue { inputs, .. }) => {
                        let small = Tensor::from_vec(&[2], &[random(5) as i64 - 1, 1]).unwrap();
                        options.bound.extend(inputs.into_iter().map(|n| (n, small.clone())));
                    }
                    _ => break,
                }
            }
        }
    }
}
