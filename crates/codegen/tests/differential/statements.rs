//! Counted accesses, control flow, and random kernels.

use super::machine::Machine;
use super::{LANES, backends, check_exactly, difference, inputs};
use cnnc_codegen::emit;
use cnnc_ir::kernel::random::random_kernel;
use cnnc_ir::kernel::{Axis, BinOp, CmpOp, Kernel, KernelBuilder, Role, Ty, UnOp, interpret_all};
use cnnc_tensor::{DType, Scalar};
use proptest::prelude::*;

/// Loads and stores of every count from none to all, at the very end of the buffers, and from scratch.
#[test]
fn counted_accesses() {
    let mut kernels = Vec::new();
    for dtype in DType::ALL {
        for lanes in LANES {
            let elems = 70;
            let mut b = KernelBuilder::new("counted");
            let (x, y) = (b.buffer("x", dtype, elems, Role::Read), b.buffer("y", dtype, 80 * elems, Role::ReadWrite));
            let whole = b.buffer("whole", dtype, 80 * 64, Role::Write);
            let scratch = b.buffer("scratch", dtype, 65, Role::Scratch);
            b.parallel(usize::from(lanes) + 1, |b, count| {
                let end = b.index(elems as i64);
                let start = b.sub(end, count);
                let v = b.load_count(x, start, lanes, count);
                let at = b.address(elems as i64, &[(count, elems as i64 - 1)]);
                b.store_count(y, at, v, count);
                let at = b.scale(count, 64);
                b.store(whole, at, v);
                let one = b.index(1);
                b.store_count(scratch, one, v, count);
                let v = b.load_count(scratch, one, lanes, count);
                b.store_count(whole, at, v, count);
            });
            kernels.push(b.finish());
        }
    }
    check_exactly(&kernels);
}

/// Matrix product with accumulators in variables, serial, stepped and unrolled loops, branches and tails.
#[test]
fn control_flow() {
    let mut kernels = Vec::new();
    for lanes in [4u16, 8, 16, 6] {
        for axis in [Axis::Serial, Axis::Unrolled] {
            let (m, n, k) = (9usize, 2 * usize::from(lanes), 7usize);
            let mut b = KernelBuilder::new("product");
            let (x, w) = (b.buffer("x", DType::I32, m * k, Role::Read), b.buffer("w", DType::I32, k * n, Role::Read));
            let y = b.buffer("y", DType::I32, m * n, Role::Write);
            let sums = [b.var(Ty::vector(DType::I32, lanes)), b.var(Ty::vector(DType::I32, lanes))];
            b.parallel(m, |b, row| {
                let zero = b.constant(Scalar::from_i64(DType::I32, 0), lanes);
                sums.iter().for_each(|&sum| b.set(sum, zero));
                let (begin, end) = (b.index(0), b.index(k as i64));
                b.for_axis(axis, begin, end, 2, |b, depth| {
                    let at = b.address(0, &[(row, k as i64), (depth, 1)]);
                    let a = b.load_splat(x, at, lanes);
                    for (part, sum) in sums.into_iter().enumerate() {
                        let at = b.address((part * usize::from(lanes)) as i64, &[(depth, n as i64)]);
                        let v = b.load(w, at, lanes);
                        let old = b.get(sum);
                        let new = b.mul_add(a, v, old);
                        b.set(sum, new);
                    }
                });
                let four = b.index(4);
                let late = b.compare(CmpOp::Gt, row, four);
                b.if_else(
                    late,
                    |b| {
                        let v = b.get(sums[0]);
                        let v = b.unary(UnOp::Not, v);
                        b.set(sums[1], v);
                    },
                    |b| b.serial(3, 3, |b, _| b.set(sums[0], zero)),
                );
                for (part, sum) in sums.into_iter().enumerate() {
                    let at = b.address((part * usize::from(lanes)) as i64, &[(row, n as i64)]);
                    let v = b.get(sum);
                    b.store(y, at, v);
                }
            });
            kernels.push(b.finish());
        }
    }
    check_exactly(&kernels);
}

/// Sums, differences and products of indices with constants, as values and as places of accesses, negative and large.
#[test]
fn index_arithmetic() {
    let elems = 40;
    let mut b = KernelBuilder::new("indices");
    let (x, y) = (b.buffer("x", DType::I64, elems, Role::Read), b.buffer("y", DType::I64, 8 * 64, Role::Write));
    b.parallel(8, |b, i| {
        let loaded = b.load(x, i, 1);
        let mut results = vec![];
        for number in [3, -7, i64::MAX, 1 << 40, -(1 << 33)] {
            let number = b.index(number);
            for value in [i, loaded] {
                let (up, down, back) = (b.add(value, number), b.sub(value, number), b.sub(number, value));
                let (left, right) = (b.mul(number, up), b.mul(down, number));
                results.extend([up, down, back, left, right]);
            }
        }
        // 5 i + 2^40 - 3, with the large part taken away again in an access.
        let (five, large) = (b.scale(i, 5), b.index((1 << 40) - 3));
        let far = b.add(five, large);
        let near = b.offset(far, -(1 << 40) + 3);
        results.push(b.load(x, near, 1));
        let by_loaded = b.binary(BinOp::And, loaded, i);
        let place = b.offset(by_loaded, 7);
        results.push(b.load(x, place, 1));
        for (k, value) in results.into_iter().enumerate() {
            let at = b.address(k as i64, &[(i, 64)]);
            b.store(y, at, value);
        }
    });
    check_exactly(&[b.finish()]);
}

/// Loads far outside their buffer, in branches and loops that are never run: moved out of them, they would fault.
#[test]
fn loads_do_not_move_to_where_they_would_fault() {
    let mut b = KernelBuilder::new("guarded");
    let (x, y) = (b.buffer("x", DType::F32, 64, Role::Read), b.buffer("y", DType::F32, 64, Role::Write));
    b.parallel(8, |b, i| {
        let far = b.index(1 << 40);
        let sum = b.var(Ty::vector(DType::F32, 4));
        let zero = b.f32(1.0, 4);
        b.set(sum, zero);
        let add = |b: &mut KernelBuilder, at| {
            let (old, v) = (b.get(sum), b.load(x, at, 4));
            let new = b.add(old, v);
            b.set(sum, new);
        };
        let (ten, zero) = (b.index(10), b.index(0));
        let never = b.compare(CmpOp::Gt, i, ten);
        let none = b.binary(BinOp::Shr, i, ten);
        b.serial(0, 3, |b, j| {
            b.if_(never, |b| {
                add(b, far);
                b.serial(0, 3, |b, k| {
                    let with_outer = b.address(1 << 40, &[(j, 4)]);
                    let with_both = b.address(1 << 40, &[(k, 4), (j, 4)]);
                    let cancelled = b.address(1 << 40, &[(k, 4), (j, 4), (k, -4)]);
                    for at in [far, with_outer, with_both, cancelled] {
                        add(b, at);
                    }
                });
            });
            b.for_axis(Axis::Serial, zero, none, 1, |b, k| {
                let with_counter = b.add(far, k);
                let with_outer = b.add(far, j);
                b.serial(0, 2, |b, _| [far, with_counter, with_outer].into_iter().for_each(|at| add(b, at)));
            });
            add(b, j);
        });
        let (at, v) = (b.scale(i, 4), b.get(sum));
        b.store(y, at, v);
    });
    check_exactly(&[b.finish()]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::with_cases(60) })]

    /// A case is several kernels in one emission.
    #[test]
    fn random_kernels(
        choices in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..6),
        seed: u64,
        which: prop::sample::Index,
    ) {
        let kernels: Vec<Kernel> = choices.iter().map(|choices| random_kernel(choices)).collect();
        let list = backends();
        let isa = list[which.index(list.len())].1.isa;
        for (backend, target) in list.into_iter().filter(|(_, target)| target.isa == isa) {
            let code = emit(&kernels, &target, backend);
            prop_assert!(code.is_ok(), "{:?} {}: {:?}", backend, isa, code);
            let machine = Machine::load(&code.expect("just asked"));
            for (number, kernel) in kernels.iter().enumerate() {
                let mut want = inputs(kernel, seed);
                let mut got = want.clone();
                prop_assert_eq!(interpret_all(kernel, &mut want), Ok(()));
                machine.run(number, kernel, &mut got, 0, kernel.extent);
                for (k, (got, want)) in got.iter().zip(&want).enumerate() {
                    if let Some(what) = difference(got, &[want], 0) {
                        return Err(TestCaseError::fail(format!("{backend:?} {isa}, buffer {k} {what}\n{kernel}")));
                    }
                }
            }
        }
    }
}
