//! The LLVM backend alone (`differential` has what all backends share): what its optimizer could break, which code it
//! makes of several kernels, and random kernels, at every instruction set level that this machine has; the others are
//! emitted only.
#![cfg(feature = "llvm")]

mod flow;
#[path = "../machine/mod.rs"]
mod machine;
mod memory;
mod rounding;

use cnnc_codegen::{Backend, Code, emit};
use cnnc_ir::kernel::random::{random_kernel, random_tensor};
use cnnc_ir::kernel::{Kernel, Role, interpret};
use cnnc_tensor::{Isa, Scalar, Target, Tensor};
use machine::Machine;

fn code(kernels: &[Kernel], isa: Isa) -> Code {
    emit(kernels, &Target::of(isa), Backend::Llvm).unwrap_or_else(|e| panic!("{isa}: {e}"))
}

fn tensors(kernel: &Kernel, seed: u64) -> Vec<Tensor> {
    let outer = kernel.buffers.iter().filter(|b| b.role != Role::Scratch);
    outer.enumerate().map(|(k, b)| random_tensor(b, seed.wrapping_add(k as u64 * 977))).collect()
}

/// Bits are equal, or both are NaN.
fn same(a: Scalar, b: Scalar) -> bool {
    a == b || (a.dtype().is_float() && a.to_f64().is_nan() && b.to_f64().is_nan())
}

/// Runs kernels, emitted together, on interpreter and machine in two parts; they must agree bit for bit.
fn agree(kernels: &[Kernel]) {
    for isa in Isa::ALL {
        let code = code(kernels, isa);
        assert!(code.entries.iter().all(|e| e.is_multiple_of(64)));
        if Isa::detect() < Some(isa) {
            eprintln!("{isa}: not on this machine, emitted only");
            continue;
        }
        let machine = Machine::load(&code);
        for (number, kernel) in kernels.iter().enumerate() {
            let half = kernel.extent / 2;
            for seed in 0..4 {
                let mut want = tensors(kernel, seed);
                let mut got = want.clone();
                for (begin, end) in [(half, kernel.extent), (0, half)] {
                    interpret(kernel, &mut want, begin, end).expect("interprets");
                    machine.run(number, kernel, &mut got, begin, end);
                }
                let outer = kernel.buffers.iter().filter(|b| b.role != Role::Scratch);
                for ((want, got), buffer) in want.iter().zip(&got).zip(outer) {
                    if want.bytes() == got.bytes() {
                        continue;
                    }
                    for k in 0..buffer.elems {
                        let (want, got) = (want.get(k), got.get(k));
                        assert!(same(want, got), "{isa}: {}[{k}] is {got}, not {want}\n{kernel}", buffer.name);
                    }
                }
            }
        }
    }
}

#[test]
fn random_kernels() {
    let mut state = 1u64;
    let mut byte = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    let batches: usize = std::env::var("CNNC_RANDOM_BATCHES").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    for _ in 0..batches {
        let kernels: Vec<Kernel> = (0..8)
            .map(|_| {
                let length = 60 + 2 * usize::from(byte());
                random_kernel(&(0..length).map(|_| byte()).collect::<Vec<_>>())
            })
            .collect();
        agree(&kernels);
    }
}
