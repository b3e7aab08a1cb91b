//! Every backend against the interpreter: each instruction on each element type and many lane counts, and random
//! kernels. Bounds stand in `ulp_table`.

mod instructions;
#[path = "../machine/mod.rs"]
mod machine;
mod statements;
mod ulp_table;

use cnnc_codegen::{Backend, emit};
use cnnc_ir::kernel::random::random_tensor;
use cnnc_ir::kernel::{Kernel, Role, interpret_all};
use cnnc_tensor::{DType, Isa, Scalar, Target, Tensor};
use machine::Machine;
use ulp_table::Bound;

/// Lane counts: scalars, whole vectors of every size, and what does not fit.
const LANES: [u16; 10] = [1, 2, 3, 4, 5, 7, 8, 16, 17, 64];
/// Every backend on every instruction set that this machine has.
fn backends() -> Vec<(Backend, Target)> {
    let highest = Isa::detect().expect("x86-64-v2 at least");
    let mut list = Vec::new();
    for isa in Isa::ALL.into_iter().filter(|&isa| isa <= highest) {
        list.push((Backend::Cranelift, Target::of(isa).narrow()));
        if Backend::Llvm.available() {
            list.push((Backend::Llvm, Target::of(isa)));
        }
    }
    list
}

/// Inputs of a kernel: what its buffers hold before.
fn inputs(kernel: &Kernel, seed: u64) -> Vec<Tensor> {
    let outer = kernel.buffers.iter().filter(|buffer| buffer.role != Role::Scratch);
    outer.enumerate().map(|(k, buffer)| random_tensor(buffer, seed ^ ((k as u64) << 32))).collect()
}

/// Whether two elements agree within a bound of units in the last place.
fn agree(dtype: DType, a: Scalar, b: Scalar, ulps: u64) -> bool {
    if a == b {
        return true;
    }
    if !dtype.is_float() {
        return false;
    }
    let (x, y) = (a.to_f64(), b.to_f64());
    if x.is_nan() || y.is_nan() {
        return x.is_nan() && y.is_nan();
    }
    let sign = 1i64 << (8 * dtype.size() - 1);
    let order = |s: Scalar| {
        let bits = s.bits() as i64;
        if bits & sign != 0 { i128::from(sign) - i128::from(bits) } else { i128::from(bits) }
    };
    x.is_sign_negative() == y.is_sign_negative() && order(a).abs_diff(order(b)) <= u128::from(ulps)
}

/// The first element in which `got` agrees with no reference.
fn difference(got: &Tensor, references: &[&Tensor], ulps: u64) -> Option<String> {
    let dtype = got.dtype();
    (0..got.bytes().len() / dtype.size()).find_map(|k| {
        let fine = references.iter().any(|reference| agree(dtype, got.get(k), reference.get(k), ulps));
        (!fine).then(|| format!("[{k}]: {dtype} {} expected, {} computed", references[0].get(k), got.get(k)))
    })
}

/// Runs kernels on all backends, in two parts each, and compares with the interpreter. `once` gives, for a kernel's
/// number and its inputs, results that are right too. LLVM takes its time: there, three of seven kernels
/// (a number that shares no factor with the lane counts') are compiled, each for one of the instruction sets.
fn check(kernels: &[Kernel], bounds: &[Bound], once: impl Fn(usize, &[Tensor]) -> Option<Vec<Tensor>>) {
    let wanted: Vec<(Vec<Tensor>, Vec<Tensor>)> = kernels
        .iter()
        .enumerate()
        .map(|(number, kernel)| {
            let before = inputs(kernel, number as u64);
            let mut after = before.clone();
            interpret_all(kernel, &mut after).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
            (before, after)
        })
        .collect();
    let list = backends();
    for (backend, target) in list {
        let turn = |number: usize| backend != Backend::Llvm || Isa::ALL.get(number % 7) == Some(&target.isa);
        let chosen: Vec<usize> = (0..kernels.len()).filter(|&number| turn(number)).collect();
        let own: Vec<Kernel> = chosen.iter().map(|&number| kernels[number].clone()).collect();
        let code = emit(&own, &target, backend).unwrap_or_else(|error| panic!("{backend:?} {}: {error}", target.isa));
        assert!(code.entries.iter().all(|entry| entry % 64 == 0));
        let machine = Machine::load(&code);
        for (entry, number) in chosen.into_iter().enumerate() {
            let (kernel, (before, after)) = (&kernels[number], &wanted[number]);
            let mut got = before.clone();
            let middle = kernel.extent / 3;
            machine.run(entry, kernel, &mut got, middle, kernel.extent);
            machine.run(entry, kernel, &mut got, 0, middle);
            let ulps = match bounds.get(number) {
                Some(Bound::Ulps(ulps)) => *ulps,
                _ => 0,
            };
            let once = match bounds.get(number) {
                Some(Bound::OnceOrTwice) => once(number, before),
                _ => None,
            };
            for (k, got) in got.iter().enumerate() {
                let references: Vec<&Tensor> = [after].into_iter().chain(&once).map(|set| &set[k]).collect();
                if let Some(what) = difference(got, &references, ulps) {
                    panic!("{backend:?} {}, buffer {k} {what}\n{kernel}", target.isa);
                }
            }
        }
    }
}

fn check_exactly(kernels: &[Kernel]) {
    check(kernels, &[], |_, _| None);
}
