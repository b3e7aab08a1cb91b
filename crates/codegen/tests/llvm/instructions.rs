//! Every instruction on every type it takes, on small, special and random numbers.

use super::machine::Machine;
use super::{agree, code, tensors};
use cnnc_ir::kernel::random::interesting;
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Inst, Kernel, KernelBuilder, Role, Ty, UnOp, Val, interpret};
use cnnc_tensor::{DType, Isa, Scalar, Tensor};

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

/// Wide numbers at, just above and just below the middle between two 16-bit floats are rounded once.
#[test]
fn narrowing_rounds_once() {
    for from in [DType::F64, DType::I32, DType::U32, DType::I64, DType::U64] {
        for to in NARROW {
            let mut b = KernelBuilder::new("narrow");
            let (x, y) = (b.buffer("x", from, 1024, Role::Read), b.buffer("y", to, 1024, Role::Write));
            b.parallel(64, |b, task| {
                let at = b.scale(task, 16);
                let value = b.load(x, at, 16);
                let narrow = b.convert(value, to);
                b.store(y, at, narrow);
            });
            let kernel = b.finish();
            let input = Tensor::from_scalars(
                from,
                &[1024],
                (0..1024i64)
                    .map(|k| {
                        let (exponent, fraction, beside) = (k % 62, 257 + 2 * (k % 7), k / 7 % 3 - 1);
                        let sign = if from.is_signed_int() && k % 2 == 0 { -1 } else { 1 };
                        if from == DType::F64 {
                            let odd = if to == DType::F16 { 8 * fraction + 1 } else { fraction };
                            let middle = odd as f64 * 2f64.powi(exponent as i32 - 31);
                            return Scalar::from_bits(from, (middle.to_bits() as i64 + beside) as u64);
                        }
                        let bits = 8 * from.size() as i64 - 1;
                        Scalar::from_i64(from, sign * ((fraction << (exponent % (bits - 9))) + beside))
                    })
                    .collect::<Vec<_>>(),
            );
            let mut want =
                [input.expect("a tensor"), Tensor::zeros(to, &[1024], Default::default()).expect("a tensor")];
            let before = want.clone();
            interpret(&kernel, &mut want, 0, 64).expect("interprets");
            for isa in Isa::ALL.into_iter().filter(|&isa| Isa::detect() >= Some(isa)) {
                let mut got = before.clone();
                Machine::load(&code(std::slice::from_ref(&kernel), isa)).run(0, &kernel, &mut got, 0, 64);
                for k in 0..1024 {
                    let (x, want, got) = (want[0].get(k), want[1].get(k), got[1].get(k));
                    assert_eq!(want, got, "{isa} {from} {x} to {to}: {got}, not {want}");
                }
            }
        }
    }
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
