//! Kernel IR to machine code by Cranelift: no system package, 128-bit vectors.
//!
//! A kernel becomes one function of the System V convention. Values are lists of parts (`parts`): 128-bit vectors as
//! long as lanes last, then scalars; so every number of lanes compiles, and multiples of four f32 are fast. Nothing is
//! called: what the instruction set has no instruction for is made of instructions that it has.

mod arithmetic;
mod bits;
mod convert;
mod function;
mod memory;
mod parts;

use crate::{Code, CodegenError};
use cnnc_ir::kernel::Kernel;
use cnnc_tensor::{Isa, Target};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, isa};
use cranelift_frontend::FunctionBuilderContext;

/// Alignment of each function in the code.
const ALIGN: usize = 64;
/// Between functions: traps.
const FILL: u8 = 0xcc;

/// Makes code for kernels that verify.
pub(crate) fn emit(kernels: &[Kernel], target: &Target) -> Result<Code, CodegenError> {
    let machine = machine(target.isa).map_err(|what| CodegenError::Unavailable(format!("cranelift: {what}")))?;
    let mut context = Context::new();
    let mut builder = FunctionBuilderContext::new();
    let mut code = Code::default();
    for (number, kernel) in kernels.iter().enumerate() {
        let fail = |what: String| CodegenError::Kernel { kernel: kernel.name.clone(), what };
        context.clear();
        context.func = Function::with_name_signature(UserFuncName::user(0, number as u32), signature());
        function::build(kernel, target.isa, &mut context.func, &mut builder, machine.frontend_config());
        let compiled = context
            .compile(&*machine, &mut ControlPlane::default())
            .map_err(|error| fail(format!("cranelift: {:?}", error.inner)))?;
        if let Some(relocation) = compiled.buffer.relocs().first() {
            return Err(fail(format!("cranelift: the code refers to {:?}", relocation.target)));
        }
        code.bytes.resize(code.bytes.len().next_multiple_of(ALIGN), FILL);
        code.entries.push(code.bytes.len() as u64);
        code.bytes.extend_from_slice(compiled.code_buffer());
    }
    Ok(code)
}

/// `fn(buffers: *const *mut u8, begin: i64, end: i64, scratch: *mut u8)`.
fn signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(types::I64); 4];
    signature
}

/// The code generator for an instruction set: no feature beyond it.
fn machine(isa: Isa) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [("opt_level", "speed"), ("is_pic", "true"), ("enable_probestack", "false")] {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    for (name, value) in [("unwind_info", "false"), ("enable_verifier", verifier)] {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let mut machine = isa::lookup_by_name("x86_64-unknown-linux-gnu").map_err(|error| error.to_string())?;
    const V2: &[&str] = &["has_sse3", "has_ssse3", "has_cmpxchg16b", "has_sse41", "has_sse42", "has_popcnt"];
    const V3: &[&str] = &["has_avx", "has_avx2", "has_fma", "has_bmi1", "has_bmi2", "has_lzcnt"];
    const V4: &[&str] = &["has_avx512f", "has_avx512dq", "has_avx512vl"];
    let levels = [(Isa::X86V2, V2), (Isa::X86V3, V3), (Isa::X86V4, V4)];
    for (_, features) in levels.iter().filter(|(level, _)| *level <= isa) {
        for feature in *features {
            machine.enable(feature).map_err(|error| error.to_string())?;
        }
    }
    machine.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
}
