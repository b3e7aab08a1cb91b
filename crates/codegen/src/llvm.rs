//! The LLVM backend: kernels to LLVM's text, optimized and compiled in memory, then linked without a linker.
//!
//! Each distinct kernel is a module of its own, so that kernels compile on all cores and the code of a kernel depends
//! on nothing but the kernel and the instruction set. Equal kernels (but for names) share their code.
//!
//! What the code promises: no library call, no fast-math flag, no writable data, only instructions of the level, and
//! that it may run with or without denormals.

mod convert;
mod function;
mod instruction;
mod memory;
mod text;

use crate::object_code::{Piece, link};
use crate::{Code, CodegenError};
use cnnc_ir::kernel::Kernel;
use cnnc_tensor::{Isa, Target};
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::llvm_sys::support::LLVMParseCommandLineOptions;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{
    CodeModel, FileType, InitializationConfig, RelocMode, Target as LlvmTarget, TargetMachine, TargetTriple,
};
use std::collections::HashMap;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a thread that compiles needs: LLVM recurses over long chains of operations.
const STACK_BYTES: usize = 32 << 20;

/// `llvm 19.1.7`.
pub(crate) fn version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("llvm {major}.{minor}.{patch}")
}

/// LLVM's text of a kernel before optimization.
pub(crate) fn text(kernel: &Kernel, isa: Isa) -> Result<String, CodegenError> {
    function::module(kernel, isa).map_err(|what| CodegenError::Kernel { kernel: kernel.name.clone(), what })
}

struct Module {
    text: String,
    vectors: bool,
    /// The first kernel of that text.
    kernel: String,
}

pub(crate) fn emit(kernels: &[Kernel], target: &Target) -> Result<Code, CodegenError> {
    let mut modules: Vec<Module> = vec![];
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut module_of = vec![];
    for kernel in kernels {
        let text = text(kernel, target.isa)?;
        let index = *known.entry(text.clone()).or_insert_with(|| {
            modules.push(Module { text, vectors: function::has_vectors(kernel), kernel: kernel.name.clone() });
            modules.len() - 1
        });
        module_of.push(index);
    }
    let mut code = Code::default();
    let mut entries = vec![];
    for piece in compile_all(&modules, target.isa)? {
        code.bytes.resize(code.bytes.len().next_multiple_of(64), 0xcc);
        entries.push((code.bytes.len() + piece.entry) as u64);
        code.bytes.extend(piece.bytes);
    }
    code.entries = module_of.into_iter().map(|index| entries[index]).collect();
    Ok(code)
}

/// Compiles modules on all cores, the longest first. The first module that fails, in their order, is the error.
fn compile_all(modules: &[Module], isa: Isa) -> Result<Vec<Piece>, CodegenError> {
    initialize();
    let mut order: Vec<usize> = (0..modules.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(modules[k].text.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        let machine = machine(isa);
        let mut done = vec![];
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let module = &modules[index];
            let piece = match &machine {
                Ok(machine) => compile(module, machine),
                Err(what) => Err(what.clone()),
            };
            done.push((index, piece.map_err(|what| CodegenError::Kernel { kernel: module.kernel.clone(), what })));
        }
        done
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(modules.len());
    let mut done = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        let mut done = vec![];
        for handle in handles {
            let handle = handle.map_err(|e| CodegenError::Unavailable(format!("no thread to compile on: {e}")))?;
            done.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        Ok(done)
    })?;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, piece)| piece).collect()
}

/// Once for the process: the code generator, and what can only be told by options. Loop-invariant code motion is not to
/// keep memory in registers over a loop: kernels name their accumulators, and what they put into scratch is there to
/// leave the registers to the loops within.
fn initialize() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        LlvmTarget::initialize_x86(&InitializationConfig::default());
        let arguments = [c"cnnc".as_ptr(), c"-disable-licm-promotion".as_ptr()];
        // SAFETY: two strings that end in nul, read before the call returns; no other thread compiles before.
        unsafe { LLVMParseCommandLineOptions(2, arguments.as_ptr(), std::ptr::null()) };
    });
}

fn machine(isa: Isa) -> Result<TargetMachine, String> {
    let triple = TargetTriple::create("x86_64-unknown-linux-gnu");
    let target = LlvmTarget::from_triple(&triple).map_err(|e| e.to_string())?;
    target
        .create_target_machine(&triple, isa.name(), "", OptimizationLevel::Aggressive, RelocMode::PIC, CodeModel::Small)
        .ok_or_else(|| format!("LLVM has no {isa}"))
}

fn compile(module: &Module, machine: &TargetMachine) -> Result<Piece, String> {
    let context = Context::create();
    let buffer = MemoryBuffer::create_from_memory_range_copy(module.text.as_bytes(), "kernel");
    let llvm = context.create_module_from_ir(buffer).map_err(|e| e.to_string())?;
    llvm.set_data_layout(&machine.get_target_data().get_data_layout());
    llvm.verify().map_err(|e| e.to_string())?;
    for declared in llvm.get_functions().filter(|f| f.count_basic_blocks() == 0) {
        if declared.get_intrinsic_id() == 0 {
            return Err(format!("LLVM has no {:?}", declared.get_name()));
        }
    }
    let options = PassBuilderOptions::create();
    options.set_loop_vectorization(!module.vectors);
    options.set_loop_slp_vectorization(!module.vectors);
    options.set_loop_unrolling(!module.vectors);
    llvm.run_passes("default<O3>", machine, options).map_err(|e| e.to_string())?;
    let object = machine.write_to_memory_buffer(&llvm, FileType::Object).map_err(|e| e.to_string())?;
    link(object.as_slice(), function::SYMBOL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(definitions: &str) -> Result<Piece, String> {
        initialize();
        let text = definitions.replace("@kernel", &format!("@{}", function::SYMBOL));
        let module = Module { text, vectors: true, kernel: String::new() };
        compile(&module, &machine(Isa::X86V4)?)
    }

    #[test]
    fn what_needs_a_linker_or_a_library_is_an_error() {
        let fails = |definitions: &str| compiled(definitions).expect_err(definitions);
        let exp = "declare float @llvm.exp.f32(float)
            define float @kernel(float %x) { %y = call float @llvm.exp.f32(float %x) ret float %y }";
        assert_eq!(fails(exp), "undefined symbol expf");
        let fill = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
            define void @kernel(ptr %p, i64 %n) { call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 0) ret void }";
        assert_eq!(fails(fill), "undefined symbol memset");
        let outer = "declare void @other() define void @kernel() { call void @other() ret void }";
        assert_eq!(fails(outer), "LLVM has no \"other\"");
        let writable = "@x = internal global i32 7 define ptr @kernel() { ret ptr @x }";
        assert_eq!(fails(writable), "writable section .data");
        let absolute = "@x = constant [2 x ptr] [ptr @kernel, ptr @x]
            define ptr @kernel(i64 %k) { %p = getelementptr ptr, ptr @x, i64 %k %v = load ptr, ptr %p ret ptr %v }";
        assert_eq!(fails(absolute), "writable section .data.rel.ro");
        assert_eq!(fails("define i32 @other() { ret i32 0 }"), "no symbol kernel");
        assert!(fails("define i32 @kernel( { ret i32 0 }").contains("expected"));
        assert!(fails("define i32 @kernel() { ret i32 %x }").contains("undefined value"));
    }

    #[test]
    fn constants_are_reached_without_relocation() {
        let table = "@x = private constant [5 x i32] [i32 11, i32 22, i32 33, i32 44, i32 55]
            define i32 @kernel(i64 %k) align 64 {
            %p = getelementptr i32, ptr @x, i64 %k %v = load i32, ptr %p ret i32 %v }";
        let piece = compiled(table).unwrap();
        assert_eq!(piece.entry, 0);
        assert!(piece.bytes.windows(8).any(|w| w == [11, 0, 0, 0, 22, 0, 0, 0]));
    }
}
