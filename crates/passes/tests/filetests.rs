//! Runs every `tests/filetests/**/*.cir`: a graph with what is expected of it in the same file.
//!
//! The first line says what is tested:
//!
//! - `; test roundtrip`: the graph reads back from its own text; expected is that text.
//! - `; test verify`: expected is `ok` or the verifier's error.
//! - `; test eval`: expected are the outputs on seeded inputs (input k has seed k), floats to six digits.
//! - `; test pass NAME`: expected is the graph after the pass, or `unchanged`. The new graph must be verified and give
//!   the same outputs, to the bit where the pass is declared exact. Several names may follow each other.
//! - `; test optimize`: the same after the whole pipeline.
//!
//! Behind the graph stands a line `; expect:` and the expectation as comment lines; a graph that does not parse, or
//! does not verify, gives the one line `error: ...`. With `CNNC_BLESS=1` in the environment the expectations are
//! rewritten instead of compared.

#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, TensorType, evaluate, parse_graph, seeded, verify};
use cnnc_passes::{PIPELINE, Pass, optimize};
use cnnc_tensor::Tensor;
use std::path::{Path, PathBuf};

const EXPECT: &str = "; expect:";
/// Largest error of a rounding pass, relative to the largest output.
const ROUNDING_BOUND: f64 = 1e-5;

#[test]
fn filetests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filetests");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no filetests in {}", root.display());
    let bless = std::env::var("CNNC_BLESS").is_ok_and(|v| v == "1");
    let mut failures = Vec::new();
    for file in &files {
        if let Err(why) = run_file(file, bless) {
            failures.push(format!("{}:\n{why}", file.strip_prefix(&root).unwrap_or(file).display()));
        }
    }
    assert!(failures.is_empty(), "{} of {} filetests fail:\n\n{}", failures.len(), files.len(), failures.join("\n\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "cir") {
            files.push(path);
        }
    }
}

fn run_file(file: &Path, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let (source, expected) = match text.split_once(EXPECT) {
        Some((source, expected)) => (source, expected.trim_end().to_string()),
        None => (text.as_str(), String::new()),
    };
    let command = text.lines().next().and_then(|l| l.strip_prefix("; test ")).ok_or("the first line is no `; test`")?;
    let found = run(command, source)?;
    let found: String = found.lines().map(|l| format!("\n; {l}").trim_end().to_string()).collect::<Vec<_>>().join("");
    if found == expected {
        return Ok(());
    }
    if bless {
        let rewritten = format!("{}\n{EXPECT}{found}\n", source.trim_end());
        return std::fs::write(file, rewritten).map_err(|e| e.to_string());
    }
    Err(format!("expected:{expected}\nfound:{found}"))
}

/// What a command says of a graph's text; `Err` where the file itself is wrong or an invariant of the test is broken.
fn run(command: &str, source: &str) -> Result<String, String> {
    let graph = match parse_graph(source) {
        Ok(graph) => graph,
        Err(e) => return Ok(format!("error: {e}")),
    };
    if command == "roundtrip" {
        let printed = graph.to_string();
        return match parse_graph(&printed) {
            Ok(again) if again == graph => Ok(printed),
            Ok(again) => Err(format!("reads back as another graph:\n{again}")),
            Err(e) => Err(format!("does not read back: {e}\n{printed}")),
        };
    }
    if let Err(e) = verify(&graph) {
        return Ok(format!("error: {e}"));
    }
    match command.split_once(' ').unwrap_or((command, "")) {
        ("verify", "") => Ok("ok".to_string()),
        ("eval", "") => match evaluate(&graph, &inputs(&graph)?) {
            Ok(outputs) => {
                let line = |(k, t): (usize, &Tensor)| format!("{} {}", graph.outputs[k].name, content(t));
                Ok(outputs.iter().enumerate().map(line).collect::<Vec<_>>().join("\n"))
            }
            Err(e) => Ok(format!("error: {e}")),
        },
        ("pass", names) => {
            let mut after = graph.clone();
            let mut changed = false;
            for name in names.split_whitespace() {
                let pass = PIPELINE.iter().find(|p| p.name == name).ok_or_else(|| format!("no pass {name}"))?;
                if let Some(new) = (pass.run)(&after) {
                    check_rewrite(pass, &after, &new)?;
                    (after, changed) = (new, true);
                }
            }
            Ok(if changed { after.to_string() } else { "unchanged".to_string() })
        }
        ("optimize", "") => {
            let after = optimize(graph.clone(), &mut |_, _| {});
            check_outputs(&graph, &after, Accuracy::Rounding).map_err(|e| format!("optimize: {e}"))?;
            Ok(after.to_string())
        }
        _ => Err(format!("no test {command}")),
    }
}

fn check_rewrite(pass: &Pass, before: &Graph, after: &Graph) -> Result<(), String> {
    check_outputs(before, after, pass.accuracy).map_err(|e| format!("{}: {e}\n{after}", pass.name))
}

/// The rewritten graph must be verified, have the same inputs and outputs, and give the same values.
fn check_outputs(before: &Graph, after: &Graph, accuracy: Accuracy) -> Result<(), String> {
    verify(after).map_err(|e| e.to_string())?;
    let read_back = parse_graph(&after.to_string());
    if read_back.as_ref().is_ok_and(|g| g != after) {
        return Err("the new graph reads back as another".to_string());
    }
    let inputs = inputs(before)?;
    let wanted = evaluate(before, &inputs).map_err(|e| format!("before: {e}"))?;
    let found = evaluate(after, &inputs).map_err(|e| format!("after: {e}"))?;
    if wanted.len() != found.len() {
        return Err(format!("{} outputs became {}", wanted.len(), found.len()));
    }
    for (k, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
        let name = &before.outputs[k].name;
        if (wanted.dtype(), &after.outputs[k].name) != (found.dtype(), name) {
            return Err(format!("output {name} became {} {}", after.outputs[k].name, found.dtype()));
        }
        let difference = cnnc_tensor::compare(found, wanted)
            .ok_or_else(|| format!("output {name} became {}", TensorType::of(found)))?;
        let bound = if accuracy == Accuracy::Exact { 0.0 } else { ROUNDING_BOUND };
        if difference.relative() > bound {
            return Err(format!("output {name} differs by {:e}, bound {bound:e}", difference.relative()));
        }
    }
    Ok(())
}

fn inputs(graph: &Graph) -> Result<Vec<Tensor>, String> {
    graph.inputs().iter().enumerate().map(|(k, &id)| seeded(graph.ty(id), k as u64)).collect()
}

/// A tensor as text: type and elements in physical order, floats to six digits.
fn content(tensor: &Tensor) -> String {
    let count = tensor.bytes().len() / tensor.dtype().size();
    let element = |k: usize| match tensor.dtype().is_float() {
        true => six_digits(tensor.get(k).to_f64()),
        false => tensor.get(k).to_string(),
    };
    format!("{} {{{}}}", TensorType::of(tensor), (0..count).map(element).collect::<Vec<_>>().join(", "))
}

/// A number rounded to six significant digits, printed as short as it can be.
fn six_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    let positive_zero = rounded + 0.0;
    format!("{positive_zero}")
}
