//! Activations with parameters: one expression each, over the operand `x` and attributes as constants of its type.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp::*, ExprBuilder, ExprId, UnaryOp::*};
use cnnc_ir::graph::ValueId;
use cnnc_tensor::{DType, Scalar};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Builds in one element type.
struct Typed<'b> {
    b: &'b mut ExprBuilder,
    dtype: DType,
}

impl Typed<'_> {
    fn c(&mut self, value: f64) -> ExprId {
        self.b.constant(Scalar::from_f64(self.dtype, value))
    }

    fn negative(&mut self, x: ExprId) -> ExprId {
        let zero = self.c(0.0);
        self.b.binary(Lt, x, zero)
    }

    /// `max(0, min(1, alpha*x + beta))`
    fn hard_sigmoid(&mut self, x: ExprId, alpha: f64, beta: f64) -> ExprId {
        let (alpha, beta, zero, one) = (self.c(alpha), self.c(beta), self.c(0.0), self.c(1.0));
        let scaled = self.b.binary(Mul, x, alpha);
        let shifted = self.b.binary(Add, scaled, beta);
        let below = self.b.binary(Min, shifted, one);
        self.b.binary(Max, below, zero)
    }

    /// `alpha * (e^(x/beta) - 1)`
    fn exponential(&mut self, x: ExprId, alpha: f64, beta: f64) -> ExprId {
        let (alpha, one) = (self.c(alpha), self.c(1.0));
        let scaled = if beta == 1.0 {
            x
        } else {
            let beta = self.c(beta);
            self.b.binary(Div, x, beta)
        };
        let exp = self.b.unary(Exp, scaled);
        let less = self.b.binary(Sub, exp, one);
        self.b.binary(Mul, alpha, less)
    }

    /// `log(1 + e^x)`, without overflow.
    fn softplus(&mut self, x: ExprId) -> ExprId {
        let zero = self.c(0.0);
        let size = self.b.unary(Abs, x);
        let minus = self.b.unary(Neg, size);
        let exp = self.b.unary(Exp, minus);
        let log = self.b.unary(Log1p, exp);
        let positive = self.b.binary(Max, x, zero);
        self.b.binary(Add, positive, log)
    }
}

fn build(cx: &mut Context, node: &Node, body: impl FnOnce(&mut Typed, ExprId) -> ExprId) -> Result<ValueId, Reason> {
    let x = node.input(0)?;
    let dtype = cx.dtype(x);
    if !dtype.is_float() && node.op != "Shrink" {
        return invalid(format!("the operand must be of a float type, not {dtype}"));
    }
    cx.map(&[x], |b, v| body(&mut Typed { b, dtype }, v[0]))
}

/// `x < 0 ? alpha*x : x`
pub fn leaky_relu(cx: &mut Context, node: &Node) -> Results {
    let alpha = f64::from(node.float("alpha", 0.01)?);
    let y = build(cx, node, |t, x| {
        let (negative, alpha) = (t.negative(x), t.c(alpha));
        let scaled = t.b.binary(Mul, x, alpha);
        t.b.select(negative, scaled, x)
    })?;
    Ok(vec![y])
}

/// `x < 0 ? alpha*(e^x - 1) : x`
pub fn elu(cx: &mut Context, node: &Node) -> Results {
    exponential(cx, node, f64::from(node.float("alpha", 1.0)?), 1.0, 1.0)
}

/// `gamma * (x < 0 ? alpha*(e^x - 1) : x)`; the first version has shorter default constants.
pub fn selu_1(cx: &mut Context, node: &Node) -> Results {
    let (alpha, gamma) = (node.float("alpha", 1.6732)?, node.float("gamma", 1.0507)?);
    exponential(cx, node, f64::from(alpha), 1.0, f64::from(gamma))
}

/// Selu from opset 6 on.
pub fn selu(cx: &mut Context, node: &Node) -> Results {
    let (alpha, gamma) = (node.float("alpha", 1.673_263_2)?, node.float("gamma", 1.050_701)?);
    exponential(cx, node, f64::from(alpha), 1.0, f64::from(gamma))
}

/// `x < 0 ? alpha*(e^(x/alpha) - 1) : x`
pub fn celu(cx: &mut Context, node: &Node) -> Results {
    let alpha = f64::from(node.float("alpha", 1.0)?);
    exponential(cx, node, alpha, alpha, 1.0)
}

fn exponential(cx: &mut Context, node: &Node, alpha: f64, beta: f64, gamma: f64) -> Results {
    let y = build(cx, node, |t, x| {
        let negative = t.negative(x);
        let below = t.exponential(x, alpha, beta);
        let y = t.b.select(negative, below, x);
        if gamma == 1.0 {
            return y;
        }
        let gamma = t.c(gamma);
        t.b.binary(Mul, gamma, y)
    })?;
    Ok(vec![y])
}

/// `x/2 * (1 + erf(x/sqrt 2))`, or with tanh `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`.
pub fn gelu(cx: &mut Context, node: &Node) -> Results {
    let tanh = match node.string("approximate", "none")? {
        "none" => false,
        "tanh" => true,
        other => return invalid(format!("attribute 'approximate' must be 'none' or 'tanh', not '{other}'")),
    };
    let y = build(cx, node, |t, x| {
        let (half, one) = (t.c(0.5), t.c(1.0));
        let inner = if tanh {
            let (cubic, root) = (t.c(0.044715), t.c((2.0 / PI).sqrt()));
            let square = t.b.binary(Mul, x, x);
            let cube = t.b.binary(Mul, square, x);
            let scaled = t.b.binary(Mul, cube, cubic);
            let sum = t.b.binary(Add, x, scaled);
            let argument = t.b.binary(Mul, sum, root);
            t.b.unary(Tanh, argument)
        } else {
            let root = t.c(FRAC_1_SQRT_2);
            let argument = t.b.binary(Mul, x, root);
            t.b.unary(Erf, argument)
        };
        let sum = t.b.binary(Add, inner, one);
        let halved = t.b.binary(Mul, x, half);
        t.b.binary(Mul, halved, sum)
    })?;
    Ok(vec![y])
}

/// `max(0, min(1, alpha*x + beta))`
pub fn hard_sigmoid(cx: &mut Context, node: &Node) -> Results {
    let (alpha, beta) = (f64::from(node.float("alpha", 0.2)?), f64::from(node.float("beta", 0.5)?));
    Ok(vec![build(cx, node, |t, x| t.hard_sigmoid(x, alpha, beta))?])
}

/// `x * max(0, min(1, x/6 + 1/2))`
pub fn hard_swish(cx: &mut Context, node: &Node) -> Results {
    let y = build(cx, node, |t, x| {
        let gate = t.hard_sigmoid(x, 1.0 / 6.0, 0.5);
        t.b.binary(Mul, x, gate)
    })?;
    Ok(vec![y])
}

/// `x * sigmoid(alpha*x)`
pub fn swish(cx: &mut Context, node: &Node) -> Results {
    let alpha = f64::from(node.float("alpha", 1.0)?);
    let y = build(cx, node, |t, x| {
        let argument = if alpha == 1.0 {
            x
        } else {
            let alpha = t.c(alpha);
            t.b.binary(Mul, x, alpha)
        };
        let gate = t.b.unary(Sigmoid, argument);
        t.b.binary(Mul, x, gate)
    })?;
    Ok(vec![y])
}

/// `x * tanh(log(1 + e^x))`
pub fn mish(cx: &mut Context, node: &Node) -> Results {
    let y = build(cx, node, |t, x| {
        let soft = t.softplus(x);
        let gate = t.b.unary(Tanh, soft);
        t.b.binary(Mul, x, gate)
    })?;
    Ok(vec![y])
}

/// `log(1 + e^x)`
pub fn softplus(cx: &mut Context, node: &Node) -> Results {
    Ok(vec![build(cx, node, |t, x| t.softplus(x))?])
}

/// `x / (1 + |x|)`
pub fn softsign(cx: &mut Context, node: &Node) -> Results {
    let y = build(cx, node, |t, x| {
        let one = t.c(1.0);
        let size = t.b.unary(Abs, x);
        let below = t.b.binary(Add, size, one);
        t.b.binary(Div, x, below)
    })?;
    Ok(vec![y])
}

/// `x > alpha ? x : 0`
pub fn thresholded_relu(cx: &mut Context, node: &Node) -> Results {
    let alpha = f64::from(node.float("alpha", 1.0)?);
    let y = build(cx, node, |t, x| {
        let (alpha, zero) = (t.c(alpha), t.c(0.0));
        let above = t.b.binary(Lt, alpha, x);
        t.b.select(above, x, zero)
    })?;
    Ok(vec![y])
}

/// `x < -lambd ? x + bias : x > lambd ? x - bias : 0`
pub fn shrink(cx: &mut Context, node: &Node) -> Results {
    let (lambd, bias) = (f64::from(node.float("lambd", 0.5)?), f64::from(node.float("bias", 0.0)?));
    let dtype = cx.dtype(node.input(0)?);
    // Integers are compared and shifted as floats: the thresholds need not be whole.
    let work = if dtype.is_float() { dtype } else { DType::F32 };
    let y = build(cx, node, |t, x| {
        let mut t = Typed { b: &mut *t.b, dtype: work };
        let x = if work == dtype { x } else { t.b.cast(work, x) };
        let (low, high, bias, zero) = (t.c(-lambd), t.c(lambd), t.c(bias), t.c(0.0));
        let (below, above) = (t.b.binary(Lt, x, low), t.b.binary(Lt, high, x));
        let (raised, lowered) = (t.b.binary(Add, x, bias), t.b.binary(Sub, x, bias));
        let inner = t.b.select(above, lowered, zero);
        let y = t.b.select(below, raised, inner);
        if work == dtype { y } else { t.b.cast(dtype, y) }
    })?;
    Ok(vec![y])
}
