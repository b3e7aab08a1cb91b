//! ONNX import: a model file becomes a [`Graph`](cnnc_ir::graph::Graph) of core operators with static dims.
//!
//! Every opset from 1 to [`NEWEST_OPSET`] is read; a node goes to the handler of its operator with the largest
//! since-version that is not above the model's opset. Operators that the graph IR lacks are decomposed, shape
//! computations are folded, model-local functions are inlined. No input makes the importer panic.

mod budget;
mod context;
mod error;
mod flatten;
mod import;
mod inputs;
mod node;
mod ops;
mod order;
pub mod proto;
mod tensor;

pub use error::{ImportError, UnsupportedOp};
pub use import::{Imported, import_bytes, import_file, inspect_inputs};
pub use inputs::{DeclaredDim, ImportOptions, InputInfo};
pub use ops::{NEWEST_OPSET, operators};
pub use tensor::load as load_tensor;
