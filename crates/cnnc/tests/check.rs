//! `cnnc check`, and the bounds that a network is compiled within.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{FLOAT, Folder, model, npy_f32, shipped};

#[test]
fn a_network_is_compared_with_itself_in_f64() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    let input = format!("--input {} --preprocess crop=0.875,size=224,mean=127,std=128", shipped("cat.png"));
    let report: Value = serde_json::from_str(&folder.ok(&format!("check {onnx} {input} --layers --json"))).unwrap();
    let error = |of: &Value| of["error"].as_f64().unwrap();
    let outputs = report["outputs"].as_array().unwrap();
    assert_eq!((outputs.len(), &report["max_error"]), (1, &Value::from(1e-4)));
    assert!(0.0 < error(&outputs[0]) && error(&outputs[0]) < report["expected_error"].as_f64().unwrap(), "{report}");
    let layers = report["layers"].as_array().unwrap();
    assert!(layers.len() > 40 && layers.iter().all(|l| error(l) < 1e-4), "{report}");
    assert!(layers.iter().any(|l| l["declared"].as_f64().unwrap() > 0.0 && l["candidate"] != ""));
}

#[test]
fn what_single_precision_loses_is_found() {
    let folder = Folder::new();
    let inputs: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[2]), ("c", FLOAT, &[2])];
    folder.write("net.onnx", &model(&[("Add", &["x", "c"], "s"), ("Sub", &["s", "c"], "y")], inputs, "y"));
    folder.write("x.npy", &npy_f32(&[2], &[1.0, 2.0]));
    folder.write("small.npy", &npy_f32(&[2], &[4.0, 8.0]));
    folder.write("large.npy", &npy_f32(&[2], &[1e9, 1e9]));
    let exact = folder.ok("check net.onnx --input x=x.npy --input c=small.npy");
    assert!(exact.contains("y       0.00e0   2.0000\n"), "{exact}");
    let lost = folder.cnnc("check net.onnx --input x=x.npy --input c=large.npy");
    assert_eq!(lost.code, 1, "{lost:?}");
    assert!(lost.out.contains("1.00e0") && lost.err.contains("output y is off by 1.0e0"), "{lost:?}");
    folder.ok("compile net.onnx");
    let artifact = folder.cnnc("check net.cnna");
    assert!(artifact.code == 2 && artifact.err.contains("name the model"), "{artifact:?}");
}

#[test]
fn bounds_that_cannot_be_kept_name_what_can() {
    let folder = Folder::new();
    let inputs: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[64, 64])];
    folder.write("net.onnx", &model(&[("MatMul", &["x", "x"], "y")], inputs, "y"));
    let refused = folder.cnnc("compile net.onnx --max-error 1e-9");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("the error bound 1e-9 cannot be kept"), "{refused:?}");
    let (_, floor) = refused.err.trim_end().rsplit_once("--max-error ").unwrap();
    folder.ok(&format!("compile net.onnx --max-error {floor}"));
    let report: Value = serde_json::from_str(&folder.ok("inspect net.cnna --json")).unwrap();
    let variant = &report["variants"][0];
    let number = |of: &Value| of.as_f64().unwrap();
    assert_eq!(number(&variant["max_error"]), floor.parse::<f64>().unwrap());
    assert!(
        0.0 < number(&variant["expected_error"]) && number(&variant["expected_error"]) <= number(&variant["max_error"])
    );
    assert!(number(&variant["layers"][0]["error"]) > 0.0);
    for wrong in ["--max-error 0", "--max-error nan", "--max-workspace 1.5G", "--max-workspace -3"] {
        assert_eq!(folder.cnnc(&format!("compile net.onnx {wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn workspace_is_bounded() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    let largest = |flags: &str| {
        folder.ok(&format!("compile {onnx} --threads 2 {flags} -o net.cnna"));
        let report: Value = serde_json::from_str(&folder.ok("inspect net.cnna --json")).unwrap();
        let layers = report["variants"][0]["layers"].as_array().unwrap();
        layers.iter().map(|l| l["workspace"].as_u64().unwrap()).max().unwrap()
    };
    let free = largest("");
    assert!(free > 0, "{free}");
    let bound = free / 2;
    assert!(largest(&format!("--max-workspace {bound}")) <= bound);
}
