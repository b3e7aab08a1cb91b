//! The LLVM backend against the interpreter: every instruction, control flow, masks, aliasing, and random kernels, at
//! every instruction set level that this machine has; the others are emitted only.
#![cfg(feature = "llvm")]

mod machine;

use cnnc_codegen::{Backend, Code, emit};
use cnnc_ir::kernel::random::{interesting, random_kernel, random_tensor};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Inst, Kernel, KernelBuilder, Role, Stmt, Ty, UnOp, Val, interpret};
use cnnc_tensor::{DType, Isa, Scalar, Target, Tensor};
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
                    interpret(kernel, &mut want, begin, end).unwrap();
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

/// Applies operations to all elements of three inputs, `lanes` at a time, with a masked tail.
struct Table {
    b: KernelBuilder,
    inputs: [Buf; 3],
    lanes: u16,
    rows: Vec<(Ty, Inst)>,
}

const ELEMS: usize = 203;

impl Table {
    fn new(name: &str, dtype: DType, lanes: u16) -> Table {
        let mut b = KernelBuilder::new(name);
        let inputs = ["a", "b", "c"].map(|name| b.buffer(name, dtype, ELEMS, Role::Read));
        Table { b, inputs, lanes, rows: vec![] }
    }

    /// Adds an operation on the values 0, 1 and 2, which are the inputs' lanes.
    fn row(&mut self, dtype: DType, inst: Inst) {
        self.rows.push((Ty::vector(dtype, self.lanes), inst));
    }

    fn finish(self) -> Kernel {
        let Table { mut b, inputs, lanes, rows } = self;
        let outputs: Vec<Buf> =
            rows.iter().map(|(ty, inst)| b.buffer(&format!("{inst:?}"), ty.dtype, ELEMS, Role::Write)).collect();
        b.parallel(ELEMS.div_ceil(lanes.into()), |b, task| {
            let at = b.scale(task, lanes.into());
            let (elems, all) = (b.index(ELEMS as i64), b.index(lanes.into()));
            let left = b.sub(elems, at);
            let count = b.binary(BinOp::Min, left, all);
            let [x, y, z] = inputs.map(|input| b.load_count(input, at, lanes, count));
            for ((ty, inst), output) in rows.iter().zip(outputs) {
                let pick = |v: &Val| [x, y, z][v.0 as usize];
                let inst = match inst {
                    Inst::Unary(op, a) => Inst::Unary(*op, pick(a)),
                    Inst::Binary(op, a, b) => Inst::Binary(*op, pick(a), pick(b)),
                    Inst::Compare(op, a, b) => Inst::Compare(*op, pick(a), pick(b)),
                    Inst::Convert(a) => Inst::Convert(pick(a)),
                    Inst::Bitcast(a) => Inst::Bitcast(pick(a)),
                    Inst::MulAdd(a, b, c) => Inst::MulAdd(pick(a), pick(b), pick(c)),
                    other => unreachable!("{other:?}"),
                };
                let result = b.inst(*ty, inst);
                b.store_count(output, at, result, count);
            }
        });
        b.finish()
    }
}

fn for_every_type(name: &str, rows: impl Fn(&mut Table, DType)) {
    let mut kernels = vec![];
    for dtype in DType::ALL {
        for lanes in [1, 5, 16] {
            let mut table = Table::new(&format!("{name}_{dtype}_{lanes}"), dtype, lanes);
            rows(&mut table, dtype);
            if !table.rows.is_empty() {
                kernels.push(table.finish());
            }
        }
    }
    agree(&kernels);
}

const NARROW: [DType; 2] = [DType::F16, DType::BF16];

#[test]
fn operations_of_one_operand() {
    for_every_type("unary", |table, dtype| {
        use UnOp::*;
        for op in [Neg, Abs, Sqrt, Floor, Ceil, Round, Trunc, Not] {
            let fits = match op {
                Neg | Abs => dtype != DType::Bool,
                Not => !dtype.is_float(),
                _ => dtype.is_float(),
            };
            if fits && !NARROW.contains(&dtype) {
                table.row(dtype, Inst::Unary(op, Val(0)));
            }
        }
    });
}

#[test]
fn operations_of_two_operands() {
    for_every_type("binary", |table, dtype| {
        use BinOp::*;
        for op in [Add, Sub, Mul, Div, Rem, Min, Max, And, Or, Xor, Shl, Shr] {
            let fits = match op {
                Add | Sub | Mul | Div => dtype != DType::Bool,
                Rem | Shl | Shr => dtype.is_int(),
                Min | Max => true,
                And | Or | Xor => !dtype.is_float(),
            };
            if fits && !NARROW.contains(&dtype) {
                table.row(dtype, Inst::Binary(op, Val(0), Val(1)));
            }
        }
        if dtype.is_int() {
            table.row(dtype, Inst::MulAdd(Val(0), Val(1), Val(2)));
        }
    });
}

#[test]
fn comparisons() {
    for_every_type("compare", |table, dtype| {
        use CmpOp::*;
        for op in [Eq, Ne, Lt, Le, Gt, Ge] {
            if !NARROW.contains(&dtype) {
                table.row(DType::Bool, Inst::Compare(op, Val(0), Val(1)));
            }
        }
    });
}

#[test]
fn conversions_and_bitcasts() {
    for_every_type("convert", |table, dtype| {
        for to in DType::ALL {
            table.row(to, Inst::Convert(Val(0)));
            let integers = !dtype.is_float() && !to.is_float() || dtype == to;
            if integers && dtype.size() == to.size() && dtype != DType::Bool && to != DType::Bool {
                table.row(to, Inst::Bitcast(Val(0)));
            }
        }
    });
}

/// Every 16-bit float to f32 and back, and the f32 at and next to each midpoint.
#[test]
fn every_half() {
    let mut kernels = vec![];
    for dtype in NARROW {
        let mut b = KernelBuilder::new("halves");
        let (wide, back) =
            (b.buffer("wide", DType::F32, 1 << 16, Role::Write), b.buffer("back", dtype, 1 << 18, Role::Write));
        b.parallel(1 << 12, |b, task| {
            let at = b.scale(task, 16);
            let first = b.convert(at, DType::I16);
            let integers = b.lanes(first, 16);
            let halves = b.bitcast(integers, dtype);
            let floats = b.convert(halves, DType::F32);
            b.store(wide, at, floats);
            let base = b.bitcast(floats, DType::I32);
            for (k, past) in [0i64, if dtype == DType::F16 { 1 << 12 } else { 1 << 15 }].into_iter().enumerate() {
                for (j, beside) in [0i64, 1].into_iter().enumerate() {
                    let offset = b.constant(Scalar::from_i64(DType::I32, past + beside), 16);
                    let moved = b.add(base, offset);
                    let float = b.bitcast(moved, DType::F32);
                    let narrow = b.convert(float, dtype);
                    let at = b.offset(at, ((2 * k + j) << 16) as i64);
                    b.store(back, at, narrow);
                }
            }
        });
        kernels.push(b.finish());
    }
    agree(&kernels);
}

#[test]
fn lanes_are_moved() {
    let mut kernels = vec![];
    for dtype in DType::ALL {
        for lanes in [1u16, 2, 8, 16] {
            let mut b = KernelBuilder::new("moves");
            let (x, y) = (b.buffer("x", dtype, 64, Role::Read), b.buffer("y", dtype, 64, Role::Read));
            let out = b.buffer("out", dtype, 512, Role::Write);
            b.parallel(1, |b, _| {
                let zero = b.index(0);
                let (a, c) = (b.load(x, zero, lanes), b.load(y, zero, lanes));
                let one = b.extract(a, lanes / 2);
                let mut results = vec![one, b.insert(c, lanes - 1, one), b.splat(one, 7)];
                let constant = interesting(dtype, 2, 0x1234);
                results.push(b.constant(constant, lanes));
                let n = lanes;
                for pick in [vec![0], vec![2 * n - 1], (0..n).map(|k| 2 * k).collect(), (0..2 * n).rev().collect()] {
                    results.push(b.shuffle(a, c, pick));
                }
                let mask = b.convert(c, DType::Bool);
                results.push(b.select(mask, a, c));
                if dtype.is_int() {
                    results.push(b.lanes(one, lanes));
                }
                let bits = [BinOp::And, BinOp::Or, BinOp::Xor];
                let order = [BinOp::Min, BinOp::Max];
                let sums = [BinOp::Add, BinOp::Mul];
                for op in bits.into_iter().chain(order).chain(sums) {
                    let fits = match dtype {
                        DType::F16 | DType::BF16 => false,
                        DType::F32 | DType::F64 => !bits.contains(&op),
                        DType::Bool => !sums.contains(&op),
                        _ => true,
                    };
                    if fits {
                        results.push(b.inst(Ty::scalar(dtype), Inst::Fold(op, a)));
                    }
                }
                let mut at = 0;
                for result in results {
                    let place = b.index(at);
                    b.store(out, place, result);
                    at += i64::from(b.ty(result).lanes);
                }
            });
            kernels.push(b.finish());
        }
    }
    agree(&kernels);
}

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

/// One `mul_add` at most two roundings away from the exact result, fused or not.
#[test]
fn mul_add_rounds_once_or_twice() {
    for isa in Isa::ALL.into_iter().filter(|&isa| Isa::detect() >= Some(isa)) {
        for dtype in [DType::F32, DType::F64] {
            let mut table = Table::new("mul_add", dtype, 16);
            table.row(dtype, Inst::MulAdd(Val(0), Val(1), Val(2)));
            let kernel = table.finish();
            let machine = Machine::load(&code(std::slice::from_ref(&kernel), isa));
            let mut all: Vec<Tensor> = tensors(&kernel, 1);
            for (k, tensor) in all.iter_mut().enumerate() {
                let values: Vec<f64> = (0..ELEMS).map(|i| ((i * (k + 3)) as f64).sin()).collect();
                *tensor = Tensor::from_f64(dtype, &[ELEMS], &values).unwrap();
            }
            machine.run(0, &kernel, &mut all, 0, kernel.extent);
            let unit = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON } / 2.0;
            for k in 0..ELEMS {
                let [a, b, c, got] = [0, 1, 2, 3].map(|t: usize| all[t].get(k).to_f64());
                let bound = unit * ((a * b).abs() + (a * b + c).abs()) * 2.0;
                assert!((got - a.mul_add(b, c)).abs() <= bound, "{isa} {dtype} {a} {b} {c} {got}");
            }
        }
    }
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
