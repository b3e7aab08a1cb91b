//! The floating-point mode of kernels: denormals are zero, nothing traps, rounding is to nearest.

/// Sets the mode of kernels on this thread and restores the caller's when dropped.
#[derive(Debug)]
pub(crate) struct KernelMode {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

#[cfg(target_arch = "x86_64")]
mod mxcsr {
    use std::arch::asm;

    /// All exceptions masked (0x1f80), flush to zero (0x8000), denormals are zero (0x0040).
    pub(super) const KERNELS: u32 = 0x1f80 | 0x8000 | 0x0040;

    pub(super) fn get() -> u32 {
        let mut value = 0u32;
        // SAFETY: stores MXCSR into `value`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
        value
    }

    pub(super) fn set(value: u32) {
        // SAFETY: loads MXCSR with a value that was read from it, or with `KERNELS`, which has no reserved bit.
        // Rust code between `set` and the restoring `set` does no floating-point arithmetic.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &value, options(nostack, preserves_flags, readonly)) };
    }
}

impl KernelMode {
    /// Enters the mode.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn enter() -> KernelMode {
        let before = mxcsr::get();
        mxcsr::set(mxcsr::KERNELS);
        KernelMode { before }
    }

    /// Enters the mode.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn enter() -> KernelMode {
        KernelMode {}
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for KernelMode {
    fn drop(&mut self) {
        mxcsr::set(self.before);
    }
}
