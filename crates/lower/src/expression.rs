//! Scalar expressions as kernel instructions, on vectors.
//!
//! Half-precision values are computed in f32 and rounded to their type after each operation; a product that only a sum
//! uses becomes a `mul_add`.

use crate::math::{self, Floats};
use cnnc_ir::expr::{BinaryOp, Expr, ExprId, ExprNode, UnaryOp};
use cnnc_ir::kernel::{BinOp, CmpOp, KernelBuilder, Ty, UnOp, Val};
use cnnc_tensor::{DType, Scalar};

/// The instructions that compute an expression on vectors of operands, all of `lanes` lanes. `coords` are the result's
/// coordinates of lane 0; along `lane_axis` lane k stands k further.
pub fn emit_expr(
    b: &mut KernelBuilder,
    expr: &Expr,
    inputs: &[Val],
    coords: &[Val],
    lane_axis: usize,
    lanes: u16,
) -> Val {
    let mut uses = vec![0; expr.nodes().len()];
    for node in expr.nodes() {
        node.operands().for_each(|id| uses[id.0 as usize] += 1);
    }
    let mut emitter = Emitter { b, expr, uses, lanes, values: vec![] };
    for node in expr.nodes() {
        let value = match *node {
            ExprNode::Input(k) => Typed { dtype: emitter.b.ty(inputs[k as usize]).dtype, val: inputs[k as usize] },
            ExprNode::Index(axis) => {
                let coord = coords[axis as usize];
                let along = axis as usize == lane_axis && lanes > 1;
                let val = if along { emitter.b.lanes(coord, lanes) } else { emitter.b.splat(coord, lanes) };
                Typed { dtype: DType::I64, val }
            }
            ExprNode::Const(value) => Typed { dtype: value.dtype(), val: emitter.constant(value) },
            ExprNode::Unary(op, a) => emitter.unary(op, a),
            ExprNode::Binary(op, x, y) => emitter.binary(op, x, y),
            ExprNode::Select(cond, x, y) => {
                let (cond, x, y) = (emitter.at(cond).val, emitter.at(x), emitter.at(y));
                Typed { val: emitter.b.select(cond, x.val, y.val), ..x }
            }
            ExprNode::Cast(dtype, a) => {
                let a = emitter.at(a);
                let val = emitter.b.convert(a.val, working_type(dtype));
                emitter.rounded(dtype, val)
            }
        };
        let val = emitter.b.convert(value.val, working_type(value.dtype));
        emitter.values.push(Typed { val, ..value });
    }
    let result = emitter.at(expr.result());
    b.convert(result.val, result.dtype)
}

/// The type that values of a type are computed in.
pub fn working_type(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

/// A value in its working type, and the type that it stands for.
#[derive(Clone, Copy)]
struct Typed {
    dtype: DType,
    val: Val,
}

struct Emitter<'a> {
    b: &'a mut KernelBuilder,
    expr: &'a Expr,
    /// How often each node is an operand.
    uses: Vec<usize>,
    lanes: u16,
    values: Vec<Typed>,
}

impl Emitter<'_> {
    fn at(&self, id: ExprId) -> Typed {
        self.values[id.0 as usize]
    }

    fn constant(&mut self, value: Scalar) -> Val {
        let wide = working_type(value.dtype());
        let value = if wide == value.dtype() { value } else { Scalar::from_f64(wide, value.to_f64()) };
        self.b.constant(value, self.lanes)
    }

    /// A constant of the type of a value.
    fn like(&mut self, value: Val, constant: f64) -> Val {
        let dtype = self.b.ty(value).dtype;
        self.b.constant(Scalar::from_f64(dtype, constant), self.lanes)
    }

    /// A computed value, rounded to its type where that is narrower than the working type.
    fn rounded(&mut self, dtype: DType, val: Val) -> Typed {
        let narrow = self.b.convert(val, dtype);
        Typed { dtype, val: self.b.convert(narrow, working_type(dtype)) }
    }

    /// The node's constant, where it is a number.
    fn number(&self, id: ExprId) -> Option<f64> {
        match self.expr.nodes()[id.0 as usize] {
            ExprNode::Const(value) => Some(value.to_f64()).filter(|v| !v.is_nan()),
            _ => None,
        }
    }

    fn unary(&mut self, op: UnaryOp, a: ExprId) -> Typed {
        let Typed { dtype, val } = self.at(a);
        let unsigned = dtype.is_int() && !dtype.is_signed_int();
        let float = |this: &mut Self, f: fn(&Floats, Val) -> Val| f(&Floats::like(this.b, val), val);
        let result = match op {
            UnaryOp::Neg => self.b.unary(UnOp::Neg, val),
            UnaryOp::Abs | UnaryOp::Relu if unsigned => val,
            UnaryOp::Abs => self.b.unary(UnOp::Abs, val),
            UnaryOp::Sign => self.sign(val, unsigned),
            UnaryOp::Relu => {
                let zero = self.like(val, 0.0);
                self.b.binary(BinOp::Max, zero, val)
            }
            UnaryOp::Floor => self.b.unary(UnOp::Floor, val),
            UnaryOp::Ceil => self.b.unary(UnOp::Ceil, val),
            UnaryOp::Round => self.b.unary(UnOp::Round, val),
            UnaryOp::Sqrt => self.b.unary(UnOp::Sqrt, val),
            UnaryOp::Recip => {
                let one = self.like(val, 1.0);
                self.b.binary(BinOp::Div, one, val)
            }
            UnaryOp::Exp => float(self, math::exp),
            UnaryOp::Log => float(self, math::log),
            UnaryOp::Log1p => float(self, math::log1p),
            UnaryOp::Sin => float(self, math::sin),
            UnaryOp::Cos => float(self, math::cos),
            UnaryOp::Tanh => float(self, math::tanh),
            UnaryOp::Sigmoid => float(self, math::sigmoid),
            UnaryOp::Erf => float(self, math::erf),
            UnaryOp::Not => self.b.unary(UnOp::Not, val),
            UnaryOp::IsNan => return Typed { dtype: DType::Bool, val: self.b.compare(CmpOp::Ne, val, val) },
            UnaryOp::IsInf => {
                let magnitude = self.b.unary(UnOp::Abs, val);
                let infinity = self.like(val, f64::INFINITY);
                return Typed { dtype: DType::Bool, val: self.b.compare(CmpOp::Eq, magnitude, infinity) };
            }
        };
        self.rounded(dtype, result)
    }

    fn sign(&mut self, val: Val, unsigned: bool) -> Val {
        let (zero, one) = (self.like(val, 0.0), self.like(val, 1.0));
        let positive = self.b.compare(CmpOp::Gt, val, zero);
        if unsigned {
            return self.b.select(positive, one, zero);
        }
        let minus = self.like(val, -1.0);
        let negative = self.b.compare(CmpOp::Lt, val, zero);
        let rest = self.b.select(negative, minus, val);
        self.b.select(positive, one, rest)
    }

    fn binary(&mut self, op: BinaryOp, x: ExprId, y: ExprId) -> Typed {
        let (Typed { dtype, val: a }, Typed { val: c, .. }) = (self.at(x), self.at(y));
        let float = dtype.is_float();
        let result = match op {
            BinaryOp::Add => match self.fused(dtype, x, y) {
                Some(sum) => sum,
                None => self.b.add(a, c),
            },
            BinaryOp::Sub => self.b.sub(a, c),
            BinaryOp::Mul => match self.gated(x, y) {
                Some(product) if matches!(dtype, DType::F32 | DType::F64) => product,
                _ => self.b.mul(a, c),
            },
            BinaryOp::Div => self.b.binary(BinOp::Div, a, c),
            BinaryOp::Mod if float => math::floored_remainder(&Floats::like(self.b, a), a, c),
            BinaryOp::Mod => self.floored_integer(dtype, a, c),
            BinaryOp::Rem if float => math::remainder(&Floats::like(self.b, a), a, c),
            BinaryOp::Rem => self.b.binary(BinOp::Rem, a, c),
            BinaryOp::Pow if float => match self.number(y) {
                Some(exponent) => self.constant_power(a, c, exponent),
                None => math::pow(&Floats::like(self.b, a), a, c),
            },
            BinaryOp::Pow => self.integer_power(dtype, a, c),
            BinaryOp::Min => self.extreme(BinOp::Min, dtype, (x, a), (y, c)),
            BinaryOp::Max => self.extreme(BinOp::Max, dtype, (x, a), (y, c)),
            BinaryOp::And => self.b.binary(BinOp::And, a, c),
            BinaryOp::Or => self.b.binary(BinOp::Or, a, c),
            BinaryOp::Xor => self.b.binary(BinOp::Xor, a, c),
            BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => {
                return Typed { dtype: DType::Bool, val: self.comparison(op, dtype, a, c) };
            }
        };
        self.rounded(dtype, result)
    }

    /// A sum with a product that nothing else uses.
    fn fused(&mut self, dtype: DType, x: ExprId, y: ExprId) -> Option<Val> {
        if !matches!(dtype, DType::F32 | DType::F64) || x == y {
            return None;
        }
        [(x, y), (y, x)].into_iter().find_map(|(product, addend)| match self.expr.nodes()[product.0 as usize] {
            ExprNode::Binary(BinaryOp::Mul, p, q) if self.uses[product.0 as usize] == 1 => {
                let (p, q, addend) = (self.at(p).val, self.at(q).val, self.at(addend).val);
                Some(self.b.mul_add(p, q, addend))
            }
            _ => None,
        })
    }

    /// A product of a value and its own logistic function, which nothing else uses.
    fn gated(&mut self, x: ExprId, y: ExprId) -> Option<Val> {
        let is_gate = |gate: ExprId, of: ExprId| {
            matches!(self.expr.nodes()[gate.0 as usize], ExprNode::Unary(UnaryOp::Sigmoid, inner) if inner == of)
                && self.uses[gate.0 as usize] == 1
        };
        let of = if is_gate(y, x) { x } else { is_gate(x, y).then_some(y)? };
        let Typed { val, .. } = self.at(of);
        Some(math::gated(&Floats::like(self.b, val), val))
    }

    /// Minimum or maximum, NaN if either operand is: the instruction returns its second operand if any is NaN.
    fn extreme(&mut self, op: BinOp, dtype: DType, x: (ExprId, Val), y: (ExprId, Val)) -> Val {
        match op {
            BinOp::Min if dtype == DType::Bool => return self.b.binary(BinOp::And, x.1, y.1),
            BinOp::Max if dtype == DType::Bool => return self.b.binary(BinOp::Or, x.1, y.1),
            _ => {}
        }
        if self.number(y.0).is_some() {
            return self.b.binary(op, y.1, x.1);
        }
        let ordered = self.b.binary(op, x.1, y.1);
        if !dtype.is_float() || self.number(x.0).is_some() {
            return ordered;
        }
        let nan = self.b.compare(CmpOp::Ne, x.1, x.1);
        self.b.select(nan, x.1, ordered)
    }

    fn comparison(&mut self, op: BinaryOp, dtype: DType, a: Val, c: Val) -> Val {
        if dtype == DType::Bool {
            let not = |this: &mut Self, v: Val| this.b.unary(UnOp::Not, v);
            return match op {
                BinaryOp::Eq => {
                    let apart = self.b.binary(BinOp::Xor, a, c);
                    not(self, apart)
                }
                BinaryOp::Lt => {
                    let low = not(self, a);
                    self.b.binary(BinOp::And, low, c)
                }
                _ => {
                    let low = not(self, a);
                    self.b.binary(BinOp::Or, low, c)
                }
            };
        }
        let op = match op {
            BinaryOp::Eq => CmpOp::Eq,
            BinaryOp::Lt => CmpOp::Lt,
            _ => CmpOp::Le,
        };
        self.b.compare(op, a, c)
    }

    /// Integer remainder with the divisor's sign.
    fn floored_integer(&mut self, dtype: DType, a: Val, c: Val) -> Val {
        let rest = self.b.binary(BinOp::Rem, a, c);
        if !dtype.is_signed_int() {
            return rest;
        }
        let zero = self.like(rest, 0.0);
        let signs = self.b.binary(BinOp::Xor, rest, c);
        let apart = self.b.compare(CmpOp::Lt, signs, zero);
        let inexact = self.b.compare(CmpOp::Ne, rest, zero);
        let wrong = self.b.binary(BinOp::And, apart, inexact);
        let moved = self.b.add(rest, c);
        self.b.select(wrong, moved, rest)
    }

    /// Powers that are products, quotients or roots; else the general function.
    fn constant_power(&mut self, a: Val, c: Val, exponent: f64) -> Val {
        if exponent == 1.0 {
            a
        } else if exponent == 2.0 {
            self.b.mul(a, a)
        } else if exponent == 3.0 {
            let square = self.b.mul(a, a);
            self.b.mul(square, a)
        } else if exponent == -1.0 {
            let one = self.like(a, 1.0);
            self.b.binary(BinOp::Div, one, a)
        } else if exponent == 0.5 {
            let (lowest, infinity) = (self.like(a, f64::NEG_INFINITY), self.like(a, f64::INFINITY));
            let root = self.b.unary(UnOp::Sqrt, a);
            let pole = self.b.compare(CmpOp::Eq, a, lowest);
            self.b.select(pole, infinity, root)
        } else {
            math::pow(&Floats::like(self.b, a), a, c)
        }
    }

    /// Repeated squaring over the bits of the exponent.
    fn integer_power(&mut self, dtype: DType, a: Val, c: Val) -> Val {
        let ty = Ty::vector(dtype, self.lanes);
        let (zero, one) = (self.like(a, 0.0), self.like(a, 1.0));
        let (power, base, left) = (self.b.var(ty), self.b.var(ty), self.b.var(ty));
        self.b.set(power, one);
        self.b.set(base, a);
        self.b.set(left, c);
        self.b.serial(0, 8 * dtype.size() as i64, |b, _| {
            let (p, x, n) = (b.get(power), b.get(base), b.get(left));
            let bit = b.binary(BinOp::And, n, one);
            let odd = b.compare(CmpOp::Ne, bit, zero);
            let grown = b.mul(p, x);
            let p = b.select(odd, grown, p);
            b.set(power, p);
            let x = b.mul(x, x);
            b.set(base, x);
            let n = b.binary(BinOp::Shr, n, one);
            b.set(left, n);
        });
        let result = self.b.get(power);
        if !dtype.is_signed_int() {
            return result;
        }
        // A negative exponent: 1 and -1 keep their powers (the low bit of the exponent decides), all else gives 0.
        let negative = self.b.compare(CmpOp::Lt, c, zero);
        let magnitude = self.b.unary(UnOp::Abs, a);
        let unit = self.b.compare(CmpOp::Eq, magnitude, one);
        let kept = self.b.select(unit, result, zero);
        self.b.select(negative, kept, result)
    }
}
