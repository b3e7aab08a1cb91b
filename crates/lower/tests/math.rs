//! Elementary functions, run by the kernel interpreter: largest error against f64 functions of the standard library over
//! random operands of every magnitude, and C's results for special operands.

#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::kernel::{KernelBuilder, Role, interpret_all};
use cnnc_lower::expression::emit_expr;
use cnnc_tensor::{DType, Tensor};
use common::Random;

const LANES: usize = 8;

fn run(expr: &Expr, dtype: DType, inputs: &[Vec<f64>]) -> Vec<f64> {
    let count = inputs[0].len().next_multiple_of(LANES);
    let mut b = KernelBuilder::new("math");
    let buffers: Vec<_> = (0..inputs.len()).map(|k| b.buffer(&format!("x{k}"), dtype, count, Role::Read)).collect();
    let result = b.buffer("y", dtype, count, Role::Write);
    b.parallel(count / LANES, |b, i| {
        let index = b.scale(i, LANES as i64);
        let operands: Vec<_> = buffers.iter().map(|&x| b.load(x, index, LANES as u16)).collect();
        let value = emit_expr(b, expr, &operands, &[], 0, LANES as u16);
        b.store(result, index, value);
    });
    let mut tensors: Vec<Tensor> = inputs
        .iter()
        .map(|x| {
            let padded: Vec<f64> = x.iter().copied().chain(std::iter::repeat(1.0)).take(count).collect();
            Tensor::from_f64(dtype, &[count], &padded).unwrap()
        })
        .collect();
    tensors.push(Tensor::zeros(dtype, &[count], cnnc_tensor::Layout::Plain).unwrap());
    interpret_all(&b.finish(), &mut tensors).unwrap();
    tensors[inputs.len()].to_f64_vec()[..inputs[0].len()].to_vec()
}

fn unary(op: UnaryOp) -> Expr {
    let mut b = ExprBuilder::default();
    let x = b.input(0);
    let y = b.unary(op, x);
    b.finish(y)
}

fn binary(op: BinaryOp) -> Expr {
    let mut b = ExprBuilder::default();
    let (x, y) = (b.input(0), b.input(1));
    let z = b.binary(op, x, y);
    b.finish(z)
}

fn round_to(dtype: DType, x: f64) -> f64 {
    if dtype == DType::F32 { f64::from(x as f32) } else { x }
}

/// Size of the last place of a result.
fn ulp(dtype: DType, x: f64) -> f64 {
    if dtype == DType::F32 {
        let x = (x.abs() as f32).max(f32::MIN_POSITIVE);
        if x.is_infinite() { f64::from(f32::MAX) } else { f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x) }
    } else {
        let x = x.abs().max(f64::MIN_POSITIVE);
        f64::from_bits(x.to_bits() + 1) - x
    }
}

fn smallest(dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE }
}

/// Operands of every magnitude and sign (no denormals), and of a range where the function varies.
fn operands(dtype: DType, low: f64, high: f64, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut x: Vec<f64> = (0..6000).map(|_| random.float(low, high)).collect();
    let largest = if dtype == DType::F32 { 126 } else { 1022 };
    x.extend((0..3000).map(|_| {
        let exponent = random.below(2 * largest as usize) as i32 - largest;
        let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
        sign * random.float(1.0, 2.0) * 2f64.powi(exponent)
    }));
    x.iter().map(|&x| round_to(dtype, x)).collect()
}

fn check(name: &str, dtype: DType, expr: &Expr, inputs: &[Vec<f64>], bound: f64, f: impl Fn(&[f64]) -> f64) {
    let got = run(expr, dtype, inputs);
    let mut worst = (0.0, 0);
    for (i, &y) in got.iter().enumerate() {
        let x: Vec<f64> = inputs.iter().map(|x| x[i]).collect();
        let want = f(&x);
        let rounded = round_to(dtype, want);
        if y == rounded || (y.is_nan() && want.is_nan()) {
            continue;
        }
        if want.abs() < smallest(dtype) {
            assert!(y.abs() <= smallest(dtype), "{name} {dtype} of {x:?}: {y:e} for {want:e}");
            continue;
        }
        let error = (y - want).abs() / ulp(dtype, want);
        // at the edge of overflow
        assert!(
            !error.is_nan() && (y.is_finite() || rounded.is_infinite()),
            "{name} {dtype} of {x:?}: {y:e} for {want:e}"
        );
        if error > worst.0 {
            worst = (error, i);
        }
    }
    let x: Vec<f64> = inputs.iter().map(|x| x[worst.1]).collect();
    println!("{name} {dtype}: {:.3} ulp at {x:?}", worst.0);
    assert!(worst.0 <= bound, "{name} {dtype}: {} ulp at {x:?}: {:e} for {:e}", worst.0, got[worst.1], f(&x));
}

const SPECIAL: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    1e30,
    -1e30,
    0.7,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Taylor's series up to 1; beyond, one minus the continued fraction of the complement.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 || x.is_nan() {
        return if x.is_nan() { x } else { x.signum() };
    }
    if x.abs() > 1.0 {
        let fraction = (1..1000).rev().fold(0.0, |rest, k| f64::from(k) / 2.0 / (x.abs() + rest));
        let complement = (-x * x).exp() / (x.abs() + fraction) * std::f64::consts::FRAC_2_SQRT_PI / 2.0;
        return (1.0 - complement) * x.signum();
    }
    let power = |n: i32| (1..=n).fold(x, |t, k| -t * x * x / f64::from(k));
    let series: f64 = (0..25).rev().map(|n| power(n) / f64::from(2 * n + 1)).sum();
    series * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn functions_of_one_operand() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    type Row = (UnaryOp, fn(f64) -> f64, f64, f64, f64, f64);
    let table: [Row; 10] = [
        (UnaryOp::Exp, f64::exp, -110.0, 95.0, 1.0, 1.5),
        (UnaryOp::Log, f64::ln, 0.0, 4.0, 1.0, 2.0),
        (UnaryOp::Log1p, f64::ln_1p, -1.0, 2.0, 2.0, 3.0),
        (UnaryOp::Sin, f64::sin, -50.0, 50.0, 1.5, 2.0),
        (UnaryOp::Cos, f64::cos, -50.0, 50.0, 1.5, 2.0),
        (UnaryOp::Tanh, f64::tanh, -3.0, 3.0, 1.5, 3.0),
        (UnaryOp::Sigmoid, sigmoid, -87.0, 20.0, 3.0, 4.0),
        (UnaryOp::Erf, erf, -4.5, 4.5, 2.0, 2.0),
        (UnaryOp::Recip, |x| 1.0 / x, -3.0, 3.0, 0.501, 0.501),
        (UnaryOp::Sqrt, f64::sqrt, 0.0, 3.0, 0.501, 0.501),
    ];
    for (k, (op, f, low, high, single, double)) in table.into_iter().enumerate() {
        for (dtype, bound) in [(DType::F32, single), (DType::F64, double)] {
            let mut x = operands(dtype, low, high, k as u64);
            if dtype == DType::F64 && matches!(op, UnaryOp::Sin | UnaryOp::Cos) {
                x.retain(|x| x.abs() < 1e6);
            }
            x.extend(
                SPECIAL
                    .map(|x| round_to(dtype, x))
                    .iter()
                    .filter(|x| !matches!(op, UnaryOp::Sin | UnaryOp::Cos) || x.abs() != 1e30),
            );
            check(op.name(), dtype, &unary(op), &[x], bound, |x| f(x[0]));
        }
    }
}

#[test]
fn a_value_times_its_logistic_function() {
    let mut b = ExprBuilder::default();
    let x = b.input(0);
    let gate = b.unary(UnaryOp::Sigmoid, x);
    let product = b.binary(BinaryOp::Mul, x, gate);
    let gated = b.finish(product);
    for (dtype, bound) in [(DType::F32, 3.5), (DType::F64, 4.5)] {
        let mut x = operands(dtype, -80.0, 20.0, 5);
        x.retain(|x| *x > -80.0);
        x.push(f64::NAN);
        check("gated", dtype, &gated, &[x], bound, |x| x[0] / (1.0 + (-x[0]).exp()));
    }
}

#[test]
fn large_angles() {
    let mut random = Random::new(7);
    let x: Vec<f64> = (0..4000).map(|_| random.float(1.0, 2.0) * 2f64.powi(random.below(1000) as i32)).collect();
    for (op, f) in [(UnaryOp::Sin, f64::sin as fn(f64) -> f64), (UnaryOp::Cos, f64::cos)] {
        let got = run(&unary(op), DType::F64, std::slice::from_ref(&x));
        for (x, y) in x.iter().zip(got) {
            assert!((y - f(*x)).abs() < 1e-15, "{} {x:e}: {y:e} for {:e}", op.name(), f(*x));
        }
    }
}

#[test]
fn power() {
    let mut random = Random::new(3);
    let (mut x, mut y) = (vec![], vec![]);
    for a in SPECIAL {
        for b in SPECIAL {
            x.push(a);
            y.push(b);
        }
    }
    for _ in 0..8000 {
        x.push(random.float(-0.2, 1.0) * 2f64.powi(random.below(12) as i32 - 5));
        y.push(if random.below(2) == 0 { random.float(-30.0, 30.0) } else { random.below(40) as f64 - 20.0 });
    }
    for (dtype, bound) in [(DType::F32, 0.6), (DType::F64, 2.0)] {
        let round = |list: &[f64]| list.iter().map(|&v| round_to(dtype, v)).collect::<Vec<_>>();
        check("pow", dtype, &binary(BinaryOp::Pow), &[round(&x), round(&y)], bound, |v| v[0].powf(v[1]));
    }
}

#[test]
fn remainders_are_exact() {
    let mut random = Random::new(4);
    let (mut x, mut y) = (vec![], vec![]);
    for a in SPECIAL {
        for b in SPECIAL {
            x.push(a);
            y.push(b);
        }
    }
    for range in [4, 60, 250] {
        for _ in 0..1500 {
            let mut number = || random.float(-1.0, 1.0) * 2f64.powi(random.below(range) as i32 - range as i32 / 2);
            x.push(number());
            y.push(number());
        }
    }
    for dtype in [DType::F32, DType::F64] {
        let round = |list: &[f64]| list.iter().map(|&v| round_to(dtype, v)).collect::<Vec<_>>();
        let inputs = [round(&x), round(&y)];
        check("rem", dtype, &binary(BinaryOp::Rem), &inputs, 0.0, |v| v[0] % v[1]);
        let floored = |v: &[f64]| {
            let r = v[0] % v[1];
            if r != 0.0 && (r < 0.0) != (v[1] < 0.0) { round_to(dtype, r + v[1]) } else { r }
        };
        check("mod", dtype, &binary(BinaryOp::Mod), &inputs, 0.0, floored);
    }
}
