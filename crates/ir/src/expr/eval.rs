//! Plain evaluation of scalar expressions: the definition that every backend is checked against.
//!
//! Every node's value is rounded to the node's type: a float operation is computed in f64 and rounded once, integers
//! wrap. Operands of a type that [`UnaryOp::result_type`] or [`BinaryOp::result_type`] refuse give an unspecified
//! value, never a panic.

use super::special::erf;
use super::{BinaryOp, Expr, ExprNode, UnaryOp};
use cnnc_tensor::{DType, Scalar};

/// `op(a)`, computed in f64 for floats and rounded once; operands of a wrong type give an unspecified value.
pub fn apply_unary(op: UnaryOp, a: Scalar) -> Scalar {
    let dtype = a.dtype();
    match op {
        UnaryOp::IsNan => Scalar::bool(a.to_f64().is_nan()),
        UnaryOp::IsInf => Scalar::bool(a.to_f64().is_infinite()),
        UnaryOp::Not if dtype == DType::Bool => Scalar::bool(!a.is_true()),
        _ if dtype.is_float() => Scalar::from_f64(dtype, unary_f64(op)(a.to_f64())),
        _ => {
            let x = wide(a);
            let y = match op {
                UnaryOp::Neg => -x,
                UnaryOp::Abs => x.abs(),
                UnaryOp::Sign => x.signum(),
                UnaryOp::Relu => x.max(0),
                UnaryOp::Not => !x,
                _ => x,
            };
            narrow(dtype, y)
        }
    }
}

/// `op(a, b)`, computed in f64 for floats and rounded once; operands of a wrong type give an unspecified value.
pub fn apply_binary(op: BinaryOp, a: Scalar, b: Scalar) -> Scalar {
    let dtype = a.dtype();
    if dtype.is_float() {
        let (x, y) = (a.to_f64(), b.to_f64());
        match compare_f64(op) {
            Some(compare) => Scalar::bool(compare(x, y)),
            None => Scalar::from_f64(dtype, binary_f64(op)(x, y)),
        }
    } else {
        let (x, y) = (wide(a), wide(b));
        match op {
            BinaryOp::Eq => Scalar::bool(x == y),
            BinaryOp::Lt => Scalar::bool(x < y),
            BinaryOp::Le => Scalar::bool(x <= y),
            _ => narrow(dtype, binary_int(op, x, y)),
        }
    }
}

/// Conversion as [`super::ExprNode::Cast`] defines it.
pub fn convert(dtype: DType, a: Scalar) -> Scalar {
    match (a.dtype(), dtype) {
        (from, to) if from == to => a,
        (_, DType::Bool) => Scalar::bool(a.is_true()),
        (from, to) if from.is_float() => Scalar::from_f64(to, a.to_f64()),
        // One rounding, where the way through f64 would be two.
        (_, DType::F32) => Scalar::f32(wide(a) as f32),
        (_, to) if to.is_float() => Scalar::from_f64(to, wide(a) as f64),
        (_, to) => narrow(to, wide(a)),
    }
}

/// `op` on floats, before rounding; the identity for operations that floats do not have.
pub(super) fn unary_f64(op: UnaryOp) -> fn(f64) -> f64 {
    match op {
        UnaryOp::Neg => |x| -x,
        UnaryOp::Abs => f64::abs,
        UnaryOp::Sign => |x| if x > 0.0 { 1.0 } else { if x < 0.0 { -1.0 } else { x } },
        UnaryOp::Relu => |x| if x < 0.0 { 0.0 } else { x },
        UnaryOp::Floor => f64::floor,
        UnaryOp::Ceil => f64::ceil,
        UnaryOp::Round => f64::round_ties_even,
        UnaryOp::Sqrt => f64::sqrt,
        UnaryOp::Recip => |x| 1.0 / x,
        UnaryOp::Exp => f64::exp,
        UnaryOp::Log => f64::ln,
        UnaryOp::Log1p => f64::ln_1p,
        UnaryOp::Sin => f64::sin,
        UnaryOp::Cos => f64::cos,
        UnaryOp::Tanh => f64::tanh,
        UnaryOp::Sigmoid => |x| 1.0 / (1.0 + (-x).exp()),
        UnaryOp::Erf => erf,
        UnaryOp::Not | UnaryOp::IsNan | UnaryOp::IsInf => |x| x,
    }
}

/// `op` on floats, before rounding; the first operand for operations that floats do not have.
pub(super) fn binary_f64(op: BinaryOp) -> fn(f64, f64) -> f64 {
    match op {
        BinaryOp::Add => |x, y| x + y,
        BinaryOp::Sub => |x, y| x - y,
        BinaryOp::Mul => |x, y| x * y,
        BinaryOp::Div => |x, y| x / y,
        BinaryOp::Mod => |x, y| {
            let r = x % y;
            if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
        },
        BinaryOp::Rem => |x, y| x % y,
        BinaryOp::Pow => f64::powf,
        BinaryOp::Min => |x, y| if x.is_nan() || x < y { x } else { y },
        BinaryOp::Max => |x, y| if x.is_nan() || x > y { x } else { y },
        BinaryOp::And | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => |x, _| x,
    }
}

/// The comparison that `op` is, if it is one.
pub(super) fn compare_f64(op: BinaryOp) -> Option<fn(f64, f64) -> bool> {
    match op {
        BinaryOp::Eq => Some(|x, y| x == y),
        BinaryOp::Lt => Some(|x, y| x < y),
        BinaryOp::Le => Some(|x, y| x <= y),
        _ => None,
    }
}

fn binary_int(op: BinaryOp, x: i128, y: i128) -> i128 {
    match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x.wrapping_mul(y),
        BinaryOp::Div => x.checked_div(y).unwrap_or(0),
        BinaryOp::Mod => match x.checked_rem(y) {
            None => 0,
            Some(r) if r != 0 && (r < 0) != (y < 0) => r + y,
            Some(r) => r,
        },
        BinaryOp::Rem => x.checked_rem(y).unwrap_or(0),
        BinaryOp::Pow => power(x, y),
        BinaryOp::Min => x.min(y),
        BinaryOp::Max => x.max(y),
        BinaryOp::And => x & y,
        BinaryOp::Or => x | y,
        BinaryOp::Xor => x ^ y,
        BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => x,
    }
}

/// `base^exponent` modulo 2^128.
fn power(base: i128, exponent: i128) -> i128 {
    let Ok(mut left) = u64::try_from(exponent) else {
        return match base {
            1 => 1,
            -1 => 1 - 2 * (exponent & 1),
            _ => 0,
        };
    };
    let (mut result, mut square) = (1i128, base);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        left >>= 1;
    }
    result
}

/// The value of an integer or truth value of any type.
fn wide(a: Scalar) -> i128 {
    if a.dtype() == DType::U64 { i128::from(a.bits()) } else { i128::from(a.to_i64()) }
}

fn narrow(dtype: DType, value: i128) -> Scalar {
    if dtype == DType::Bool { Scalar::bool(value != 0) } else { Scalar::from_i64(dtype, value as i64) }
}

impl Expr {
    /// The expression's value at one output position: `inputs[k]` is `$k`, `coords` the output's coordinates. Operands
    /// that are not there read as false.
    pub fn eval(&self, inputs: &[Scalar], coords: &[i64]) -> Scalar {
        let mut values: Vec<Scalar> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let at = |id: super::ExprId| values[id.0 as usize];
            let value = match *node {
                ExprNode::Input(k) => inputs.get(k as usize).copied().unwrap_or(Scalar::bool(false)),
                ExprNode::Index(axis) => Scalar::i64(coords.get(axis as usize).copied().unwrap_or(0)),
                ExprNode::Const(value) => value,
                ExprNode::Unary(op, a) => apply_unary(op, at(a)),
                ExprNode::Binary(op, a, b) => apply_binary(op, at(a), at(b)),
                ExprNode::Select(c, a, b) => at(if at(c).is_true() { a } else { b }),
                ExprNode::Cast(dtype, a) => convert(dtype, at(a)),
            };
            values.push(value);
        }
        values.last().copied().unwrap_or(Scalar::bool(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(dtype: DType, value: i64) -> Scalar {
        Scalar::from_i64(dtype, value)
    }

    #[test]
    fn integers_wrap_and_divide_as_documented() {
        use BinaryOp::*;
        let on = |op, dtype, a, b| apply_binary(op, int(dtype, a), int(dtype, b)).to_i64();
        assert_eq!(on(Add, DType::U8, 200, 100), 44);
        assert_eq!(on(Mul, DType::I32, i64::from(i32::MAX), 2), -2);
        assert_eq!(on(Div, DType::I64, -7, 2), -3);
        assert_eq!(on(Div, DType::I64, 7, 0), 0);
        assert_eq!(on(Div, DType::I64, i64::MIN, -1), i64::MIN);
        assert_eq!(on(Mod, DType::I32, -4, 3), 2);
        assert_eq!(on(Mod, DType::I32, 5, -3), -1);
        assert_eq!(on(Mod, DType::I32, 5, 0), 0);
        assert_eq!(on(Rem, DType::I32, -4, 3), -1);
        assert_eq!(on(Pow, DType::I32, 3, 4), 81);
        assert_eq!(on(Pow, DType::I64, 2, 65), 0);
        assert_eq!(on(Pow, DType::I64, 2, -1), 0);
        assert_eq!(on(Pow, DType::I64, -1, -3), -1);
        assert_eq!(on(Pow, DType::I64, -1, -4), 1);
        assert_eq!(on(Xor, DType::U8, 0xf0, 0xff), 0x0f);
        assert_eq!(apply_unary(UnaryOp::Abs, int(DType::I8, -128)).to_i64(), -128);
        assert_eq!(apply_unary(UnaryOp::Not, int(DType::U8, 1)).to_i64(), 254);
    }

    #[test]
    fn unsigned_64_compares_unsigned() {
        let big = Scalar::from_bits(DType::U64, u64::MAX);
        let one = Scalar::from_bits(DType::U64, 1);
        assert!(apply_binary(BinaryOp::Lt, one, big).is_true());
        assert_eq!(apply_binary(BinaryOp::Max, one, big), big);
        assert_eq!(apply_binary(BinaryOp::Mul, big, big), one);
    }

    #[test]
    fn nan_passes_through_relu_min_max_and_sign() {
        let nan = Scalar::f32(f32::NAN);
        let one = Scalar::f32(1.0);
        for op in [UnaryOp::Relu, UnaryOp::Sign, UnaryOp::Abs] {
            assert!(apply_unary(op, nan).to_f64().is_nan());
        }
        for op in [BinaryOp::Min, BinaryOp::Max] {
            assert!(apply_binary(op, nan, one).to_f64().is_nan());
            assert!(apply_binary(op, one, nan).to_f64().is_nan());
        }
        assert!(!apply_binary(BinaryOp::Eq, nan, nan).is_true());
    }

    #[test]
    fn conversions_saturate_floats_and_wrap_integers() {
        assert_eq!(convert(DType::I8, Scalar::f32(300.7)).to_i64(), 127);
        assert_eq!(convert(DType::I32, Scalar::f32(-2.9)).to_i64(), -2);
        assert_eq!(convert(DType::I32, Scalar::f32(f32::NAN)).to_i64(), 0);
        assert_eq!(convert(DType::U8, Scalar::i64(-1)).to_i64(), 255);
        assert!(convert(DType::Bool, Scalar::f32(0.1)).is_true());
        // 2^24 + 1 + 2^-30 as an integer near the middle of two f32: one rounding only.
        let middle = (1i64 << 54) + (1 << 30) + 1;
        assert_eq!(convert(DType::F32, Scalar::i64(middle)).to_f64(), ((1i64 << 54) + (1 << 31)) as f64);
    }
}
