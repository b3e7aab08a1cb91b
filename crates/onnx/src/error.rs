//! Why an import failed. Every error names the file and, where there is one, the node with its operator, the value,
//! and what to try.

use std::fmt;

/// Operators that import does not know, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedOp {
    /// Domain; empty for ONNX's own.
    pub domain: String,
    /// Operator.
    pub op: String,
    /// Names of the nodes.
    pub nodes: Vec<String>,
}

impl fmt::Display for UnsupportedOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = if self.domain.is_empty() { String::new() } else { format!("{}.", self.domain) };
        let shown: Vec<&str> = self.nodes.iter().take(3).map(String::as_str).collect();
        let more = if self.nodes.len() > 3 { ", ..." } else { "" };
        write!(f, "{domain}{} x{} ({}{more})", self.op, self.nodes.len(), shown.join(", "))
    }
}

/// Why an import failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{file}: cannot read: {what}")]
    Read {
        /// Model file.
        file: String,
        /// The system's message.
        what: String,
    },
    /// The bytes are no ONNX model.
    #[error("{file}: not an ONNX model: {what}")]
    Decode {
        /// Model file.
        file: String,
        /// The decoder's message.
        what: String,
    },
    /// The model as a whole is wrong: cycle, undefined or doubly defined value, recursion, ...
    #[error("{file}: {what}")]
    Model {
        /// Model file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// A tensor cannot be loaded.
    #[error("{file}: tensor '{tensor}': {what}")]
    Tensor {
        /// Model file.
        file: String,
        /// Name of the initializer or node that holds it.
        tensor: String,
        /// What is wrong.
        what: String,
    },
    /// An input's size is not known.
    #[error("{file}: dim {dim} of input '{input}' is not fixed: give its shape, as in --shape {flag}")]
    DynamicDim {
        /// Model file.
        file: String,
        /// Name of the input.
        input: String,
        /// Its dim: a position with the symbol it has, `0 (batch)`.
        dim: String,
        /// Argument for the flag: `x=1x3x224x224`.
        flag: String,
    },
    /// An input of the model is wrong, or an option speaks of none.
    #[error("{file}: input '{input}': {what}")]
    Input {
        /// Model file.
        file: String,
        /// Name of the input.
        input: String,
        /// What is wrong.
        what: String,
    },
    /// An operand that decides shapes (sizes, axes, pads, counts) is known only when the model runs.
    #[error(
        "{file}: node '{node}' ({op}): operand '{operand}' decides a shape, so it must be known at compile time; it \
         depends on the input{} {}: bind their content", if inputs.len() == 1 { "" } else { "s" }, inputs.join(", ")
    )]
    NeedsValue {
        /// Model file.
        file: String,
        /// Name of the node.
        node: String,
        /// Operator.
        op: String,
        /// Name of the operand in the operator's specification.
        operand: String,
        /// Graph inputs whose content decides it.
        inputs: Vec<String>,
    },
    /// A node that its operator does not allow, or a form of it that is not supported.
    #[error("{file}: node '{node}' ({op}): {what}")]
    Node {
        /// Model file.
        file: String,
        /// Name of the node.
        node: String,
        /// Operator.
        op: String,
        /// What is wrong, with the values and shapes, and what to try.
        what: String,
    },
    /// Operators that are not supported: all of them.
    #[error("{file}: {} operators are not supported: {}", ops.len(), ops.iter().map(|o| o.to_string()).collect::<Vec<_>>().join("; "))]
    Unsupported {
        /// Model file.
        file: String,
        /// By (domain, operator), sorted.
        ops: Vec<UnsupportedOp>,
    },
}

/// Why a handler refuses a node; the importer adds file, node and operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Wrong or unsupported, in words.
    Invalid(String),
    /// An operand must be constant.
    NeedsValue {
        /// Name of the operand.
        operand: String,
        /// The value.
        value: cnnc_ir::graph::ValueId,
    },
}

impl From<cnnc_ir::graph::InferError> for Reason {
    fn from(error: cnnc_ir::graph::InferError) -> Reason {
        Reason::Invalid(error.to_string())
    }
}

impl From<cnnc_tensor::TensorError> for Reason {
    fn from(error: cnnc_tensor::TensorError) -> Reason {
        Reason::Invalid(error.to_string())
    }
}

/// A refusal in words.
pub fn invalid<T>(what: impl Into<String>) -> Result<T, Reason> {
    Err(Reason::Invalid(what.into()))
}
