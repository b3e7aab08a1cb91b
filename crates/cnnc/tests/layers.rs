//! Commands over layers and machines: shapes, bench-layers, machine, and profile's layers alone.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Folder, shipped};

const LAYERS: &str = "\
# every operator
conv 1x16x10x10 24x16x3x3 pad=1 tail=bias+relu count=3  # a
conv 1x16x9 16x1x3 pad=0:2 groups=16
conv 1x12x10x9 60x3x1x1 groups=4 outputs=interleaved tail=bias+relu
conv_transpose 1x8x5x5 8x8x3x3 stride=2 pad=1 output_pad=1 tail=bias

matmul 3x33 40x33 transpose=b tail=bias+add
";

#[test]
fn layers_are_timed_and_compared_with_exact_sums() {
    let folder = Folder::new();
    folder.write("layers.txt", LAYERS.as_bytes());
    let report: Value =
        serde_json::from_str(&folder.ok("bench-layers layers.txt --candidates all --seconds 0.001 --json")).unwrap();
    let layers = report["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &report["complete"]), (5, &Value::from(true)));
    for layer in layers {
        let candidates = layer["candidates"].as_array().unwrap();
        assert!(!candidates.is_empty(), "{layer}");
        for c in candidates {
            let positive = ["warm_ms", "cold_ms", "estimated_ms", "warm_gflops"];
            assert!(positive.iter().all(|key| c[key].as_f64().unwrap() > 0.0), "{c}");
            assert!(c["error"].as_f64().unwrap() < 1e-5 && c["error_exceeded"] == false, "{c}");
        }
        let algorithms: std::collections::HashSet<&str> =
            candidates.iter().map(|c| c["algorithm"].as_str().unwrap()).collect();
        assert!(algorithms.len() > 1, "{layer}");
    }
    assert_eq!(layers[0]["count"], 3);
    let text = folder.ok("bench-layers layers.txt --only conv_transpose --algorithm transposed_phases --seconds 0.001");
    assert!(text.starts_with("[1/1] conv_transpose 1x8x5x5") && text.contains("best of each layer"), "{text}");
}

#[test]
fn bad_shapes_are_named_by_line() {
    let folder = Folder::new();
    for (text, message) in [
        ("\nconv 1x16x10x10", "line 2: the dims of the weights are missing"),
        ("conv 1x16x10x10 24x8x3x3", "line 1: channels do not fit 1 groups"),
        ("pool 1x16x10x10 3x3", "line 1: unknown operator pool"),
        ("conv 1x16xax10 24x16x3x3", "line 1: `1x16xax10` are no dims"),
        ("conv 1x1x1x1 1x1x1x1 pad=1x2x3", "line 1: pad=1x2x3: it is to be one number, or 2"),
        ("matmul 1x3 3x4 stride=2", "line 1: unknown key stride"),
        ("matmul 1x3 3x4 count=0", "line 1: count=0"),
        ("matmul 1x3 3x4 tail=swash", "line 1: unknown tail swash"),
        ("matmul 1x3 3x4 tail=add($0,$1)", "line 1: the tail reads 1 operands, with= names 0"),
        ("matmul 1x3 3x4 tail=add($0,", "line 1: tail: "),
        ("conv 1x4x2x2 4x4x3x3", "line 1: window of extent 3 is larger"),
        ("matmul 99999999x99999 99999x9", "GiB"),
        ("matmul 1x0 0x4", "line 1: a dim is 0"),
        ("conv 1x4x2x2 4x2x1x1 groups=2 outputs=mixed", "line 1: outputs=mixed: it can only be interleaved"),
        ("# nothing", "no layer to time"),
    ] {
        folder.write("bad.txt", text.as_bytes());
        let said = folder.cnnc("bench-layers bad.txt");
        assert!(said.code == 2 && said.err.starts_with("error: bad.txt: "), "{text}: {said:?}");
        assert!(said.err.contains(message) && said.err.lines().count() == 1, "{text}: {said:?}");
    }
    folder.write("good.txt", LAYERS.as_bytes());
    let said = folder.cnnc("bench-layers good.txt --algorithm nonesuch");
    assert!(said.code == 2 && said.err.contains("there is no algorithm nonesuch"), "{said:?}");
    assert_eq!(folder.cnnc("bench-layers missing.txt").code, 2);
}

#[test]
fn the_shapes_of_a_model_read_back() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    let text = folder.ok(&format!("shapes {onnx}"));
    assert!(text.starts_with("# cnnc shapes efficientnet_lite0.onnx\nconv 1x3x224x224 32x3x3x3 stride=2"), "{text}");
    let layers = cnnc_compiler::shapes::parse_layers(&text).unwrap();
    assert_eq!(layers.iter().map(|l| l.count).sum::<usize>(), 50, "49 convolutions and the classifier");
    folder.ok(&format!("shapes {onnx} -o net.txt"));
    assert_eq!(std::fs::read_to_string(folder.path("net.txt")).unwrap(), text);
}

#[test]
fn the_lists_that_ship_are_as_they_would_be_printed() {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/shapes");
    let mut count = 0;
    for entry in std::fs::read_dir(lists).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (heading, rest) = text.split_once('\n').unwrap();
        assert!(heading.starts_with("# cnnc shapes "), "{}", path.display());
        let layers = cnnc_compiler::shapes::parse_layers(&text).unwrap();
        assert_eq!(cnnc_compiler::shapes::print_layers(&layers), rest, "{}", path.display());
        count += 1;
    }
    assert!(count >= 19);
}

#[test]
fn the_layers_of_a_network_are_timed_alone() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    folder.ok(&format!("compile {onnx} -o net.cnna"));
    let report: Value = serde_json::from_str(&folder.ok("profile net.cnna --threads 2 --iters 2 --json")).unwrap();
    let layers = report["layers"].as_array().unwrap();
    for key in ["warm_ms", "cold_ms"] {
        let sum: f64 = layers.iter().map(|l| l[key].as_f64().unwrap()).sum();
        assert!(sum > 0.0 && (sum - report["alone"][key].as_f64().unwrap()).abs() < 1e-6 * sum);
    }
    let text = folder.ok("profile net.cnna --threads 1 --iters 1");
    assert!(text.contains("cold weights") && text.contains("layers alone, activations warm: "), "{text}");
    assert!(!folder.ok("profile net.cnna --iters 1 --no-alone").contains("alone"));
}
