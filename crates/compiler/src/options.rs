//! What the user may say to the pipeline.

use crate::Choices;
use cnnc_codegen::Backend;
use cnnc_onnx::ImportOptions;
use cnnc_tensor::{Ceilings, Isa, Target, cache_bytes, is_intel};
use std::path::PathBuf;

/// Workspace that a layer may take where the user says nothing, in bytes.
const USUAL_WORKSPACE: usize = 256 << 20;

/// What the compiled network must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Largest error of an output, relative to its largest element.
    pub max_error: f64,
    /// Most bytes of workspace that a layer may take, all threads together. Without it, candidates that take more than
    /// 256 MiB are chosen only where there is no other.
    pub max_workspace: Option<usize>,
}

impl Bounds {
    /// Most bytes of workspace that a layer should take.
    pub fn workspace(&self) -> usize {
        self.max_workspace.unwrap_or(USUAL_WORKSPACE)
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { max_error: 1e-4, max_workspace: None }
    }
}

/// Options of a compilation.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shapes and bound inputs.
    pub import: ImportOptions,
    /// The targets, one variant each.
    pub targets: Vec<Target>,
    /// The code generator.
    pub backend: Backend,
    /// What the network must keep to.
    pub bounds: Bounds,
    /// Choices made by measurement.
    pub choices: Choices,
    /// Folder that gets each changed stage as a numbered text file.
    pub dump: Option<PathBuf>,
}

impl Options {
    /// Options for some instruction sets; none means the best that this machine has.
    pub fn new(isas: &[Isa], backend: Backend, threads: usize) -> Option<Options> {
        let isas = if isas.is_empty() { vec![Isa::detect()?] } else { isas.to_vec() };
        let targets = isas.into_iter().map(|isa| detect_target(isa, backend, threads)).collect();
        let bounds = Bounds::default();
        Some(Options {
            import: ImportOptions::default(),
            targets,
            backend,
            bounds,
            choices: Choices::default(),
            dump: None,
        })
    }
}

/// The target of an instruction set with this machine's cache sizes and what is usual for its vendor, as a backend can
/// use it.
pub fn detect_target(isa: Isa, backend: Backend, threads: usize) -> Target {
    let mut target = Target { threads: threads.max(1), ..Target::of(isa) };
    if is_intel() {
        target = target.with_ceilings(Ceilings::of_intel(isa));
    }
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
