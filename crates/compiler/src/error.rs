//! Errors of the pipeline.

use cnnc_codegen::CodegenError;
use cnnc_ir::graph::{EvalError, InferError};
use cnnc_lower::LowerError;
use cnnc_onnx::ImportError;
use cnnc_tensor::Isa;
use std::path::PathBuf;

/// Why a model could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The model is at fault, or is not supported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// No lowering for a node.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// No choice of algorithms keeps the error bound.
    #[error("the error bound {bound:e} cannot be kept: single precision reaches {floor:.1e} on this network")]
    ErrorBound {
        /// The bound.
        bound: f64,
        /// What the most exact algorithms reach.
        floor: f64,
    },
    /// Every candidate of a node takes more workspace than it may.
    #[error("{node}: no algorithm keeps to {bound} bytes of workspace; {least} would do")]
    WorkspaceBound {
        /// Name of the node.
        node: String,
        /// The bound, in bytes.
        bound: usize,
        /// The least that any candidate takes, in bytes.
        least: usize,
    },
    /// Layers that no measured choice is listed for, where only listed ones are allowed.
    #[error("{} no listed choice for {isa}: {}", plural(layers.len(), "layer has", "layers have"), layers.join("; "))]
    NotLocked {
        /// The instruction set.
        isa: Isa,
        /// The layers, as in a list of shapes.
        layers: Vec<String>,
    },
    /// A backend is missing or refused.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// Constant evaluation at compile time failed.
    #[error("{node}: {what}")]
    Evaluate {
        /// Name of the node.
        node: String,
        /// What went wrong.
        what: String,
    },
    /// An invariant of ours is broken.
    #[error("internal error after {stage}: {what}; please report it with the output of --dump")]
    Internal {
        /// After which stage.
        stage: String,
        /// Which invariant.
        what: String,
    },
    /// A dump could not be written.
    #[error("cannot write {path}: {source}")]
    Dump {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The machine has none of the instruction sets that cnnc knows.
    #[error("this machine's processor is below x86-64-v2: name a target with --target")]
    UnknownMachine,
}

impl CompileError {
    /// Whether the user's input is at fault, rather than the machine or cnnc.
    pub fn is_users(&self) -> bool {
        matches!(
            self,
            CompileError::Import(_)
                | CompileError::UnknownMachine
                | CompileError::ErrorBound { .. }
                | CompileError::WorkspaceBound { .. }
                | CompileError::NotLocked { .. }
        )
    }

    pub(crate) fn evaluate(node: &str, error: EvalError) -> CompileError {
        CompileError::Evaluate { node: node.into(), what: error.to_string() }
    }

    pub(crate) fn infer(node: &str, error: InferError) -> CompileError {
        CompileError::Internal { stage: format!("choose ({node})"), what: error.to_string() }
    }
}

/// `1 layer has`, `2 layers have`.
fn plural(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
