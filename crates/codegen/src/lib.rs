//! Kernel IR to machine code.
//!
//! A backend turns kernels into one blob of position-independent code with no open symbol and no writable data
//! ([`Code`]): what the artifact holds and the runtime maps. LLVM is there with feature `llvm`, Cranelift always.

mod cranelift;
#[cfg(feature = "llvm")]
mod llvm;
#[cfg(feature = "llvm")]
mod object_code;

use cnnc_ir::kernel::{Kernel, verify};
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

impl Backend {
    /// Whether the backend was built in.
    pub fn available(self) -> bool {
        match self {
            Backend::Llvm => cfg!(feature = "llvm"),
            Backend::Cranelift => true,
        }
    }

    /// Name and version, as artifacts and tuned choices state it: `llvm 19.1.7`.
    pub fn version(self) -> String {
        match self {
            #[cfg(feature = "llvm")]
            Backend::Llvm => llvm::version(),
            #[cfg(not(feature = "llvm"))]
            Backend::Llvm => "llvm (not built in)".into(),
            Backend::Cranelift => format!("cranelift {}", cranelift_codegen::VERSION),
        }
    }
}

/// Makes code for kernels. The kernels must verify; `target.lanes` is the backend's (see [`Target::narrow`]).
pub fn emit(kernels: &[Kernel], target: &Target, backend: Backend) -> Result<Code, CodegenError> {
    for kernel in kernels {
        verify(kernel).map_err(|e| CodegenError::Kernel { kernel: e.kernel, what: e.what })?;
    }
    match backend {
        #[cfg(feature = "llvm")]
        Backend::Llvm => llvm::emit(kernels, target),
        #[cfg(not(feature = "llvm"))]
        Backend::Llvm => Err(without_llvm()),
        Backend::Cranelift => cranelift::emit(kernels, target),
    }
}

/// What the backend compiles a kernel from, to be read: LLVM's text before optimization.
#[cfg(feature = "llvm")]
pub fn llvm_text(kernel: &Kernel, target: &Target) -> Result<String, CodegenError> {
    llvm::text(kernel, target.isa)
}

#[cfg(not(feature = "llvm"))]
fn without_llvm() -> CodegenError {
    let what =
        "built without LLVM: build with --features llvm (Debian: apt-get install llvm-19-dev), or choose cranelift";
    CodegenError::Unavailable(what.into())
}

#[cfg(all(test, not(feature = "llvm")))]
mod tests {
    use super::*;
    use cnnc_tensor::Isa;

    #[test]
    fn without_llvm_the_error_says_how_to_get_it() {
        let error = emit(&[], &Target::of(Isa::X86V3), Backend::Llvm).expect_err("not built in");
        assert!(error.to_string().contains("--features llvm"), "{error}");
        assert!(!Backend::Llvm.available());
    }
}
