//! Machine code of kernels, kept from candidate to candidate: the conversions of layout around a layer are the same for
//! all of them, and so are transforms under many tilings.

use cnnc_codegen::{Backend, Code, CodegenError, emit};
use cnnc_ir::kernel::Kernel;
use cnnc_tensor::{Isa, Target};
use std::collections::HashMap;

/// Kernels that are kept.
const MOST_KERNELS: usize = 64;
/// Alignment of a kernel's code.
const ALIGN: usize = 64;
/// Between kernels: traps.
const FILL: u8 = 0xcc;

/// Code by instruction set, code generator, and kernel without its name.
#[derive(Default)]
pub(super) struct KernelCode(HashMap<(Isa, Backend, Kernel), Code>);

impl KernelCode {
    /// What [`emit`] makes of the kernels. The code of a kernel depends on nothing but the kernel.
    pub(super) fn emit(&mut self, kernels: &[Kernel], target: &Target, backend: Backend) -> Result<Code, CodegenError> {
        if self.0.len() + kernels.len() > MOST_KERNELS {
            self.0.clear();
        }
        let mut whole = Code::default();
        for kernel in kernels {
            let key = (target.isa, backend, Kernel { name: String::new(), ..kernel.clone() });
            if !self.0.contains_key(&key) {
                self.0.insert(key.clone(), emit(std::slice::from_ref(kernel), target, backend)?);
            }
            let Some(code) = self.0.get(&key) else { continue };
            whole.bytes.resize(whole.bytes.len().next_multiple_of(ALIGN), FILL);
            whole.entries.extend(code.entries.iter().map(|entry| whole.bytes.len() as u64 + entry));
            whole.bytes.extend_from_slice(&code.bytes);
        }
        Ok(whole)
    }
}
