//! The interpreter of the kernel IR: the definition that every backend is checked against.

use super::Kernel;
use cnnc_tensor::Tensor;

/// Why a kernel could not be interpreted: always a bug of the lowering that made it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("kernel {kernel}: {what}")]
pub struct InterpretError {
    /// Name of the kernel.
    pub kernel: String,
    /// What is wrong, such as an access outside a buffer.
    pub what: String,
}

/// Runs the part `begin..end` of a kernel on its buffers (those that are not scratch, in order; plain tensors of the
/// right type and number of elements). Every access is checked; scratch starts as NaN or all ones.
pub fn interpret(kernel: &Kernel, buffers: &mut [Tensor], begin: usize, end: usize) -> Result<(), InterpretError> {
    let _ = (buffers, begin, end);
    Err(InterpretError { kernel: kernel.name.clone(), what: "no interpreter yet".into() })
}
