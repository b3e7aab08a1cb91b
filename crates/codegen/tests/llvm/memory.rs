//! Masked accesses, buffers that overlap, and loops that look like library functions.

use super::machine::Machine;
use super::{agree, code, same, tensors};
use cnnc_ir::kernel::{CmpOp, KernelBuilder, Role, Ty, interpret};
use cnnc_tensor::{DType, Isa, Scalar};

#[test]
fn counts_from_none_to_all() {
    let mut kernels = vec![];
    for dtype in [DType::F32, DType::F64, DType::I8, DType::F16, DType::Bool] {
        for lanes in [1u16, 3, 16, 64] {
            let mut b = KernelBuilder::new("counts");
            let rows = usize::from(lanes) + 1;
            let x = b.buffer("x", dtype, rows * rows, Role::Read);
            let out = b.buffer("out", dtype, rows * rows, Role::Write);
            b.parallel(rows, |b, count| {
                // Starts so that the lanes that are on end where the buffers end.
                let end = b.index((rows * rows) as i64);
                let at = b.sub(end, count);
                let value = b.load_count(x, at, lanes, count);
                b.store_count(out, at, value, count);
                let three = b.index(i64::from(lanes).min(3));
                let at = b.scale(count, rows as i64 - 1);
                let first = b.load_count(x, at, lanes, three);
                b.store_count(out, at, first, three);
            });
            kernels.push(b.finish());
        }
    }
    // Iterations write where others do, so each runs alone.
    for isa in Isa::ALL.into_iter().filter(|&isa| Isa::detect() >= Some(isa)) {
        let machine = Machine::load(&code(&kernels, isa));
        for (number, kernel) in kernels.iter().enumerate() {
            for row in 0..kernel.extent {
                let mut want = tensors(kernel, 3);
                let mut got = want.clone();
                interpret(kernel, &mut want, row, row + 1).unwrap();
                machine.run(number, kernel, &mut got, row, row + 1);
                assert!(
                    (0..kernel.buffers[1].elems).all(|k| same(want[1].get(k), got[1].get(k))),
                    "{isa} {row}\n{kernel}"
                );
            }
        }
    }
}

#[test]
fn buffers_that_may_alias_are_worked_on_in_place() {
    let mut b = KernelBuilder::new("in_place");
    let (x, y) = (b.buffer("x", DType::F32, 96, Role::Read), b.buffer("y", DType::F32, 96, Role::ReadWrite));
    b.may_alias(x);
    b.may_alias(y);
    b.parallel(6, |b, task| {
        let at = b.scale(task, 16);
        let (one, two) = (b.f32(1.0, 16), b.f32(2.0, 16));
        let first = b.load(x, at, 16);
        let value = b.add(first, one);
        b.store(y, at, value);
        // The same element again, changed through the other buffer.
        let again = b.load(x, at, 16);
        let value = b.mul(again, two);
        b.store(y, at, value);
    });
    let kernel = b.finish();
    for isa in Isa::ALL.into_iter().filter(|&isa| Isa::detect() >= Some(isa)) {
        let machine = Machine::load(&code(std::slice::from_ref(&kernel), isa));
        let mut values: Vec<f32> = (0..96).map(|k| k as f32).collect();
        let pointer = values.as_mut_ptr().cast();
        // SAFETY: one buffer of 96 floats for both, as the kernel allows.
        unsafe { machine.call(0, &[pointer, pointer], 0, 6, std::ptr::null_mut()) };
        assert!((0..96).all(|k| values[k] == 2.0 * (k as f32 + 1.0)), "{isa}");
    }
}

/// Loops that an optimizer would like to make `memset`, `memcpy`, `memmove` or a table of.
#[test]
fn idioms_make_no_library_call() {
    let mut b = KernelBuilder::new("idioms");
    let n = 5000;
    let x = b.buffer("x", DType::U8, n, Role::Read);
    let [zeros, copy, ones] = ["zeros", "copy", "ones"].map(|name| b.buffer(name, DType::U8, n, Role::Write));
    let table = b.buffer("table", DType::F32, n, Role::Write);
    b.parallel(1, |b, _| {
        let (zero, one) =
            (b.constant(Scalar::from_i64(DType::U8, 0), 1), b.constant(Scalar::from_i64(DType::U8, 1), 1));
        b.serial(0, n as i64, |b, i| b.store(zeros, i, zero));
        b.serial(0, n as i64, |b, i| {
            let value = b.load(x, i, 1);
            b.store(copy, i, value);
        });
        b.serial(0, n as i64, |b, i| b.store(ones, i, one));
        b.serial(0, n as i64, |b, i| {
            let result = b.var(Ty::scalar(DType::F32));
            let value = b.load(x, i, 1);
            let start = b.f32(-1.0, 1);
            b.set(result, start);
            for k in 0..12u8 {
                let case = b.constant(Scalar::from_i64(DType::U8, k.into()), 1);
                let hit = b.compare(CmpOp::Eq, value, case);
                b.if_(hit, |b| {
                    let value = b.f32(f32::from(k) * 37.0 % 11.0, 1);
                    b.set(result, value);
                });
            }
            let value = b.get(result);
            b.store(table, i, value);
        });
    });
    agree(&[b.finish()]);
}
