//! Whole networks: the share of time in generic loop kernels must stay below 2% on each.
//!
//! `CNNC_MODELS` names folders of .onnx files, separated by colons; without it the test is skipped and says so. Inputs
//! whose shape a model leaves open take it from `NAME.in.npy` beside the model.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Most time that generic kernels may take.
const MAX_GENERIC_SHARE: f64 = 0.02;

#[test]
fn generic_kernels_take_little_time() {
    let Some(folders) = std::env::var_os("CNNC_MODELS") else {
        println!("skipped: CNNC_MODELS names no folders of models");
        return;
    };
    let mut models: Vec<PathBuf> = std::env::split_paths(&folders).flat_map(|folder| models_in(&folder)).collect();
    models.sort();
    assert!(!models.is_empty(), "no models in {folders:?}");
    let failures: Vec<String> = models.iter().filter_map(|model| check(model).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn models_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // Quantized operators are not supported yet.
    entries.filter(|p| p.extension().is_some_and(|e| e == "onnx") && !p.to_string_lossy().contains(".qdq.")).collect()
}

fn check(model: &Path) -> Result<(), String> {
    let name = model.display();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnnc"));
    command.arg("profile").arg(model).args(["--threads", "1", "--iters", "3", "--json"]);
    let input = model.with_extension("in.npy");
    if input.exists() {
        command.arg("--input").arg(input);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("is not fixed") {
        println!("{name}: skipped: {}", errors.trim());
        return Ok(());
    }
    if !output.status.success() {
        return Err(format!("{name}: {}", errors.trim()));
    }
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let share = report["generic_share"].as_f64().unwrap();
    println!("{name}: {:.2} ms, {:.2}% in generic kernels", report["total_ms"].as_f64().unwrap(), 100.0 * share);
    if share > MAX_GENERIC_SHARE {
        return Err(format!("{name}: {:.1}% of the time is in generic kernels", 100.0 * share));
    }
    Ok(())
}
