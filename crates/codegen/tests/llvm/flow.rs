//! Loops, branches and variables, and what the code of several kernels is made of.

use super::{agree, code};
use cnnc_codegen::{Backend, Code, emit};
use cnnc_ir::kernel::{Axis, BinOp, CmpOp, Inst, Kernel, KernelBuilder, Role, Stmt, Ty};
use cnnc_tensor::{DType, Isa, Scalar, Target};

/// Loops inside loops with steps and bounds that are computed, a branch, variables that live across both, scratch, and
/// an unrolled loop.
fn nest() -> Kernel {
    let mut b = KernelBuilder::new("nest");
    let (x, out) = (b.buffer("x", DType::I64, 100, Role::Read), b.buffer("out", DType::I64, 90, Role::ReadWrite));
    let scratch = b.buffer("s", DType::I32, 10, Role::Scratch);
    b.parallel(10, |b, task| {
        let (sum, steps) = (b.var(Ty::INDEX), b.var(Ty::scalar(DType::I32)));
        let (zero, none) = (b.index(0), b.constant(Scalar::from_i64(DType::I32, 0), 1));
        b.set(sum, zero);
        b.set(steps, none);
        for k in 0..10 {
            let at = b.index(k);
            b.store(scratch, at, none);
        }
        b.for_axis(Axis::Serial, zero, task, 2, |b, i| {
            let end = b.offset(i, 3);
            b.for_axis(Axis::Serial, i, end, 1, |b, j| {
                let at = b.address(0, &[(task, 10), (j, 1)]);
                let ten = b.index(99);
                let at = b.binary(BinOp::Min, at, ten);
                let value = b.load(x, at, 1);
                let odd = b.binary(BinOp::And, value, j);
                let odd = b.compare(CmpOp::Ne, odd, zero);
                b.if_else(
                    odd,
                    |b| {
                        let old = b.get(sum);
                        let new = b.add(old, value);
                        b.set(sum, new);
                    },
                    |b| {
                        let old = b.get(steps);
                        let one = b.constant(Scalar::from_i64(DType::I32, 1), 1);
                        let new = b.add(old, one);
                        b.set(steps, new);
                    },
                );
            });
            let (old, at) = (b.get(steps), b.binary(BinOp::Min, i, task));
            b.store(scratch, at, old);
        });
        let (begin, end) = (b.index(0), b.index(8));
        b.for_axis(Axis::Unrolled, begin, end, 3, |b, k| {
            let count = b.load(scratch, k, 1);
            let count = b.convert(count, DType::I64);
            let at = b.address(0, &[(task, 9), (k, 1)]);
            let old = b.load(out, at, 1);
            let sum = b.get(sum);
            let (new, count) = (b.add(old, sum), b.mul(count, k));
            let new = b.add(new, count);
            b.store(out, at, new);
        });
    });
    b.finish()
}

#[test]
fn nested_loops_branches_variables_scratch() {
    agree(&[nest()]);
}

#[test]
fn code_depends_on_the_kernels_only() {
    let mut other = nest();
    other.name = "other".into();
    other.buffers[0].name = "renamed".into();
    let mut longer = nest();
    longer.extent = 9;
    if let Some(Stmt::For { end, .. }) = longer.body.last_mut() {
        let end = end.0 as usize;
        for stmt in &mut longer.body {
            if let Stmt::Let(value, inst) = stmt
                && value.0 as usize == end
            {
                *inst = Inst::Const(Scalar::i64(9));
            }
        }
    }
    let kernels = [nest(), other, longer, nest()];
    for isa in Isa::ALL {
        let all = code(&kernels, isa);
        assert_eq!(all, code(&kernels, isa));
        assert_eq!(all.entries[0], all.entries[1]);
        assert_eq!(all.entries[0], all.entries[3]);
        assert_ne!(all.entries[0], all.entries[2]);
        assert_eq!(code(&kernels[..1], isa).bytes, all.bytes[..code(&kernels[..1], isa).bytes.len()]);
    }
    assert_eq!(code(&[], Isa::X86V4), Code::default());
}

#[test]
fn a_kernel_that_does_not_verify_is_an_error() {
    let mut kernel = nest();
    kernel.name = "bad".into();
    kernel.body.pop();
    let error = emit(&[nest(), kernel], &Target::of(Isa::X86V3), Backend::Llvm).unwrap_err();
    assert!(error.to_string().starts_with("kernel bad: "), "{error}");
    assert!(Backend::Llvm.available() && Backend::Llvm.version().starts_with("llvm 19."));
}
