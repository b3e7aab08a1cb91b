//! Evaluates a model slowly and plainly, for comparison: `evaluate MODEL OUT_DIR INPUT.npy...` (f32 inputs, in order;
//! their shapes override declared ones) writes `OUT_DIR/0.npy`, `1.npy`, ... as f32.

use cnnc_onnx::{ImportOptions, import_file, inspect_inputs};
use cnnc_tensor::Tensor;
use npyz::WriterBuilder;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, inputs @ ..] = &args[..] else { return Err("usage: evaluate MODEL OUT_DIR INPUT.npy...".into()) };
    let mut tensors = vec![];
    for path in inputs {
        let npy = npyz::NpyFile::new(BufReader::new(File::open(path)?))?;
        let dims: Vec<usize> = npy.shape().iter().map(|&d| d as usize).collect();
        tensors.push(Tensor::from_vec(&dims, &npy.into_vec::<f32>()?)?);
    }
    let declared = inspect_inputs(Path::new(model))?.into_iter().filter(|i| !i.has_default);
    let shapes = declared.zip(&tensors).map(|(i, t)| (i.name, t.dims().to_vec())).collect();
    let imported = import_file(Path::new(model), &ImportOptions { shapes, ..ImportOptions::default() })?;
    for (k, tensor) in cnnc_ir::graph::evaluate(&imported.graph, &tensors)?.iter().enumerate() {
        let dims: Vec<u64> = tensor.dims().iter().map(|&d| d as u64).collect();
        let file = BufWriter::new(File::create(Path::new(out).join(format!("{k}.npy")))?);
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&dims).writer(file).begin_nd()?;
        writer.extend(tensor.to_f64_vec().into_iter().map(|v| v as f32))?;
        writer.finish()?;
    }
    Ok(())
}
