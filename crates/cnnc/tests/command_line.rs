//! The commands, end to end: what they write and what they print.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Folder, f32_values, negating, npy, npy_f32, reshaping, shipped};

const PREPROCESS: &str = "crop=0.875,size=224,filter=bicubic,mean=127,std=128";

#[test]
fn a_photograph_is_classified() {
    let folder = Folder::new();
    let (onnx, cat, labels) = (shipped("efficientnet_lite0.onnx"), shipped("cat.png"), shipped("imagenet_labels.txt"));
    let compiled = folder.ok(&format!("compile {onnx} --target native --threads 2 -o net.cnna"));
    assert!(compiled.starts_with("net.cnna: ") && compiled.contains(" layers, x86-64-v"), "{compiled}");
    assert_eq!(folder.names(), ["net.cnna"]);
    let input = format!("--input {cat} --preprocess {PREPROCESS}");
    let top = folder.ok(&format!("run net.cnna {input} --top 5 --labels {labels}"));
    let lines: Vec<&str> = top.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with(" 38.") && lines[0].ends_with("282  tiger cat"), "{top}");
    assert!(lines[1].ends_with("285  Egyptian cat") && lines[2].ends_with("281  tabby"), "{top}");
    // The same bits from model and artifact, on any number of threads.
    folder.ok(&format!("run net.cnna {input} --threads 1 --output-dir one"));
    folder.ok(&format!("run net.cnna {input} --threads 2 --output-dir two"));
    folder.ok(&format!("run {onnx} --threads 2 --input input={cat} --preprocess {PREPROCESS} --output-dir model"));
    let bytes = |folder_name: &str| std::fs::read(folder.path(folder_name).join("0.npy")).unwrap();
    assert!(bytes("one") == bytes("two") && bytes("one") == bytes("model"));
    assert_eq!(f32_values(&folder.path("one/0.npy")).len(), 1000);

    let text = folder.ok("inspect net.cnna");
    assert!(text.contains("input   input: f32[1,3,224,224]") && text.contains("output  output: f32[1,1000]"), "{text}");
    let report: Value = serde_json::from_str(&folder.ok("inspect net.cnna --json")).unwrap();
    let layers = report["variants"][0]["layers"].as_array().unwrap();
    assert!(layers.len() > 40 && layers.iter().all(|l| l["candidate"].as_str().is_some_and(|c| !c.is_empty())));
    assert_eq!(report["variants"][0]["threads"], 2);

    let against = folder.ok("bench net.cnna --against net.cnna --threads 1 --iters 5 --json");
    let against: Value = serde_json::from_str(&against).unwrap();
    let other = &against["against"];
    assert!(other["ratio"].as_f64().unwrap() > 0.0 && other["latency_ms"]["min"].as_f64().unwrap() > 0.0, "{other}");
    let text = folder.ok("bench net.cnna --against net.cnna --iters 5");
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("net.cnna: ") && line.contains("times as long")));
    let bench: Value = serde_json::from_str(&folder.ok("bench net.cnna --threads 1 --iters 3 --json")).unwrap();
    let latency = |key: &str| bench["latency_ms"][key].as_f64().unwrap();
    assert!(0.0 < latency("min") && latency("min") <= latency("median") && latency("median") <= latency("p90"));
    assert_eq!((&bench["threads"], &bench["iters"]), (&Value::from(1), &Value::from(3)));

    let profile = folder.ok("profile net.cnna --threads 2 --iters 2 --json --trace trace.json");
    let profile: Value = serde_json::from_str(&profile).unwrap();
    let layers = profile["layers"].as_array().unwrap();
    let shares: f64 = layers.iter().map(|l| l["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6);
    assert!(profile["peak_gflops"].as_f64().unwrap() > 0.1 && profile["generic_share"].as_f64().unwrap() <= 0.02);
    let classes = profile["classes"].as_array().unwrap();
    assert_eq!(classes.iter().map(|c| c["layers"].as_u64().unwrap()).sum::<u64>(), layers.len() as u64);
    assert!(folder.ok("profile net.cnna --iters 1 --by-class").contains("measured peak"));
    let trace: Value = serde_json::from_slice(&std::fs::read(folder.path("trace.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let boxes = |thread: u64| events.iter().filter(|e| e["ph"] == "X" && e["tid"] == thread).count();
    assert!(boxes(0) == layers.len() && boxes(1) > 0 && boxes(1) <= boxes(0));
}

#[test]
fn a_model_takes_its_shapes_from_its_inputs() {
    let folder = Folder::new();
    folder.write("net.onnx", &negating());
    folder.write("a.npy", &npy_f32(&[3], &[1.0, -2.0, 0.5]));
    folder.write("b.npy", &npy_f32(&[5], &[1.0, 2.0, 3.0, 4.0, f32::INFINITY]));
    folder.ok("run net.onnx --input x=a.npy --output-dir a");
    folder.ok("run net.onnx --input b.npy --output-dir b");
    assert_eq!(f32_values(&folder.path("a/0.npy")), [-1.0, 2.0, -0.5]);
    assert_eq!(f32_values(&folder.path("b/0.npy")), [-1.0, -2.0, -3.0, -4.0, f32::NEG_INFINITY]);
    let shown = folder.ok("run net.onnx --input a.npy");
    assert!(shown.starts_with("y: f32[3]  min -1.00000  mean 0.16667  max 2.00000"), "{shown}");
    folder.ok("compile net.onnx --shape x=7");
    assert!(folder.ok("inspect net.cnna").contains("input   x: f32[7]"));
}

#[test]
fn inputs_that_decide_shapes_are_bound() {
    let folder = Folder::new();
    folder.write("net.onnx", &reshaping());
    folder.write("x.npy", &npy_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let shape: Vec<u8> = [3i64, 2].iter().flat_map(|d| d.to_le_bytes()).collect();
    folder.write("shape.npy", &npy("<i8", &[2], &shape));
    folder.ok("run net.onnx --input x=x.npy --input shape=shape.npy --output-dir out");
    let written = std::fs::read(folder.path("out/0.npy")).unwrap();
    assert!(String::from_utf8_lossy(&written).contains("'shape': (3,2,)"));
    assert_eq!(f32_values(&folder.path("out/0.npy")), [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]);
    let unbound = folder.cnnc("compile net.onnx -o net.cnna");
    assert_eq!(unbound.code, 2, "{unbound:?}");
    assert!(unbound.err.contains("hint: fix its content at compile time with --bind shape=FILE.npy"), "{unbound:?}");
    folder.ok("compile net.onnx --bind shape=shape.npy -o net.cnna");
    folder.ok("run net.cnna --input x.npy --output-dir bound");
    assert_eq!(std::fs::read(folder.path("bound/0.npy")).unwrap(), written);
}

#[test]
fn several_targets_share_one_file() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    folder.ok(&format!("compile {onnx} --target x86-64-v3,x86-64-v4,x86-64-v3 --backend cranelift -o net.cnna"));
    let report: Value = serde_json::from_str(&folder.ok("inspect net.cnna --json")).unwrap();
    let variants = report["variants"].as_array().unwrap();
    let targets: Vec<&str> = variants.iter().map(|v| v["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["x86-64-v3", "x86-64-v4"]);
    // Cranelift's vectors have 128 bits on either: the weights are packed alike and stored once.
    let constants: u64 = variants.iter().map(|v| v["constant_bytes"].as_u64().unwrap()).sum();
    assert!(report["bytes"].as_u64().unwrap() < constants * 6 / 10);
}

#[test]
fn stages_are_text() {
    let folder = Folder::new();
    folder.write("net.onnx", &reshaping());
    let shape: Vec<u8> = [3i64, 2].iter().flat_map(|d| d.to_le_bytes()).collect();
    folder.write("shape.npy", &npy("<i8", &[2], &shape));
    let imported = folder.ok("opt net.onnx --bind shape=shape.npy --stop-after import");
    assert!(imported.contains("small"), "{imported}");
    folder.ok("opt net.onnx --bind shape=shape.npy --stop-after fold_constants:2 -o net.cir");
    let optimized = folder.ok("opt net.onnx --bind shape=shape.npy");
    assert_eq!(folder.ok("opt net.cir"), optimized, "the text is all there is to a graph");
    let onnx = shipped("efficientnet_lite0.onnx");
    folder.ok(&format!("opt {onnx} --constants weights -o large.cir"));
    let large = std::fs::read_to_string(folder.path("large.cir")).unwrap();
    assert!(folder.ok("opt large.cir --constants weights") == large);
    let without = folder.cnnc("opt large.cir");
    assert!(without.code == 2 && without.err.starts_with("error: large.cir: line "), "{without:?}");
    folder.ok("opt net.onnx --bind shape=shape.npy --dump stages");
    assert!(folder.path("stages/00-import.cir").exists());
    folder.ok("compile net.onnx --bind shape=shape.npy --dump all -o net.cnna");
    let stages = std::fs::read_dir(folder.path("all")).unwrap().count();
    assert!(stages >= 3, "import, choose and lower at least");
}

#[test]
fn lists_and_help_say_what_there_is() {
    let folder = Folder::new();
    for (what, name) in [("ops", "Conv"), ("passes", "fuse_tails"), ("algorithms", "direct"), ("targets", "x86-64-v4")]
    {
        assert!(folder.ok(&format!("list {what}")).lines().any(|l| l.starts_with(name)), "{what}");
        let json: Value = serde_json::from_str(&folder.ok(&format!("list {what} --json"))).unwrap();
        assert!(json.as_array().unwrap().len() > 3);
    }
    for command in ["", "compile", "run", "bench", "profile", "inspect", "opt", "db", "report"] {
        let help = folder.ok(&format!("{command} --help"));
        assert!(help.contains("Examples:") && help.contains("Usage: cnnc"), "{help}");
    }
}

#[test]
fn the_program_that_runs_networks_has_no_compiler_in_it() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_cnnc")).unwrap();
    for foreign in ["libLLVM", "cranelift_codegen"] {
        assert!(!program.windows(foreign.len()).any(|w| w == foreign.as_bytes()), "{foreign}");
    }
}
