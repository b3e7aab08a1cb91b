//! Imports every model of the folders that `CNNC_MODELS` names (separated by `:`); without it the test is skipped and
//! says so. A model's input has the shape of `MODEL.in.npy` where that is there; else dynamic dims get the shape that the
//! error proposes.

#![allow(clippy::unwrap_used)] // in the helpers of the tests

use cnnc_onnx::{ImportError, ImportOptions, import_file, inspect_inputs};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Operators that models of those folders may hold although they are not supported: quantized ones.
const QUANTIZED: &[&str] = &["QuantizeLinear", "DequantizeLinear"];

fn import(path: &Path) -> Result<String, ImportError> {
    let mut options = ImportOptions::default();
    if let Ok(file) = File::open(path.with_extension("in.npy")) {
        let npy = npyz::NpyFile::new(BufReader::new(file)).unwrap();
        let name = inspect_inputs(path)?.into_iter().find(|i| !i.has_default).unwrap().name;
        options.shapes.insert(name, npy.shape().iter().map(|&d| d as usize).collect());
    }
    loop {
        match import_file(path, &options) {
            Err(ImportError::DynamicDim { flag, .. }) if options.shapes.len() < 8 => {
                let (name, shape) = flag.rsplit_once('=').unwrap();
                let dims = shape.split('x').map(|d| d.parse().unwrap()).collect();
                options.shapes.insert(name.to_string(), dims);
            }
            Err(error) => return Err(error),
            Ok(imported) => {
                cnnc_ir::graph::verify(&imported.graph).unwrap();
                return Ok(format!("opset {}, {} nodes", imported.opset, imported.graph.nodes().count()));
            }
        }
    }
}

#[test]
fn models_import() {
    let Ok(folders) = std::env::var("CNNC_MODELS") else {
        println!("skipped: CNNC_MODELS names no folder of models");
        return;
    };
    let mut paths: Vec<PathBuf> = vec![];
    for folder in folders.split(':') {
        paths.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    let mut failed = vec![];
    for path in paths {
        match import(&path) {
            Ok(what) => println!("{}: {what}", path.display()),
            Err(ImportError::Unsupported { ops, .. }) if ops.iter().all(|o| QUANTIZED.contains(&o.op.as_str())) => {
                println!("{}: quantized, refused", path.display());
            }
            Err(error) => failed.push(error.to_string()),
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
