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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::contents;
    use cnnc_compiler::shapes::parse_layers;
    use cnnc_compiler::{alone, lower, ways};
    use cnnc_lower::Breadth;

    #[test]
    fn kept_code_is_that_of_all_kernels_at_once() {
        let target = Target::of(Isa::X86V3).narrow();
        let layer = parse_layers("conv 1x8x6x6 8x8x3x3 pad=1 tail=relu").unwrap().pop().unwrap();
        let graph = layer.graph(&contents::of(&layer).unwrap()).unwrap();
        let mut kept = KernelCode::default();
        for way in ways(&graph, &target, Breadth::Offered).unwrap() {
            let kernels = lower(&alone(&graph, &way, &target).unwrap(), &target).unwrap().kernels;
            let whole = emit(&kernels, &target, Backend::Cranelift).unwrap();
            for _ in 0..2 {
                assert_eq!(kept.emit(&kernels, &target, Backend::Cranelift).unwrap(), whole, "{}", way.candidate);
            }
        }
    }
}
