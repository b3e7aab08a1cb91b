//! Kernel IR to machine code.
//!
//! A backend turns kernels into one blob of position-independent code with no open symbol and no writable data
//! ([`Code`]): what the artifact holds and the runtime maps. LLVM is there with feature `llvm`, Cranelift always.

use cnnc_ir::kernel::Kernel;
use cnnc_tensor::Target;

/// A code generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// LLVM 19: any vector width, full optimization.
    Llvm,
    /// Cranelift: no system package, 128-bit vectors.
    Cranelift,
}

/// Machine code of some kernels.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Code {
    /// Code and read-only data; to be placed at an address aligned to 64.
    pub bytes: Vec<u8>,
    /// Offset of each kernel's entry point, in the order of the kernels.
    pub entries: Vec<u64>,
}

/// Why code could not be made.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodegenError {
    /// The backend was not built in, or does not know the target.
    #[error("{0}")]
    Unavailable(String),
    /// The backend refused a kernel: a bug of ours.
    #[error("kernel {kernel}: {what}")]
    Kernel {
        /// Name of the kernel.
        kernel: String,
        /// What it said.
        what: String,
    },
}

/// Makes code for kernels. The kernels must verify; `target.lanes` is the backend's (see [`Target::narrow`]).
pub fn emit(kernels: &[Kernel], target: &Target, backend: Backend) -> Result<Code, CodegenError> {
    let _ = (kernels, target);
    Err(CodegenError::Unavailable(format!("{backend:?}: not there yet")))
}
