//! What the user may say to the pipeline.

use cnnc_codegen::Backend;
use cnnc_onnx::ImportOptions;
use cnnc_tensor::{Isa, Target, cache_bytes};
use std::path::PathBuf;

/// Options of a compilation.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shapes and bound inputs.
    pub import: ImportOptions,
    /// The targets, one variant each.
    pub targets: Vec<Target>,
    /// The code generator.
    pub backend: Backend,
    /// Folder that gets each changed stage as a numbered text file.
    pub dump: Option<PathBuf>,
}

impl Options {
    /// Options for some instruction sets; none means the best that this machine has.
    pub fn new(isas: &[Isa], backend: Backend, threads: usize) -> Option<Options> {
        let isas = if isas.is_empty() { vec![Isa::detect()?] } else { isas.to_vec() };
        let targets = isas.into_iter().map(|isa| detect_target(isa, backend, threads)).collect();
        Some(Options { import: ImportOptions::default(), targets, backend, dump: None })
    }
}

/// The target of an instruction set with this machine's cache sizes, as a backend can use it.
pub fn detect_target(isa: Isa, backend: Backend, threads: usize) -> Target {
    let mut target = Target { threads: threads.max(1), ..Target::of(isa) };
    for (level, size) in [(1, &mut target.l1), (2, &mut target.l2), (3, &mut target.l3)] {
        if let Some(bytes) = cache_bytes(level) {
            *size = bytes;
        }
    }
    match backend {
        Backend::Cranelift => target.narrow(),
        Backend::Llvm => target,
    }
}
