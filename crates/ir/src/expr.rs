//! Scalar expressions: the body of every elementwise operator and of every fused tail.
//!
//! An [`Expr`] is a small SSA list over inputs `$0, $1, ...`, constants and output coordinates. It is always canonical:
//! nodes stand in post-order from the result, equal nodes are one node, nothing is unused. So equality of lists is
//! equality of expressions, and `parse(print(e)) == e`.

mod columns;
mod eval;
mod special;
mod text;
mod types;

use cnnc_tensor::{DType, Scalar};

pub(crate) use columns::{Column, eval_columns};
pub use eval::{apply_binary, apply_unary, convert};
pub use text::parse_expr;
pub use types::ExprError;

/// Index of a node in an [`Expr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// One scalar operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExprNode {
    /// The element of operand `k` that broadcasts to this output position. In a tail `$0` is the accumulator.
    Input(u32),
    /// The output's coordinate along an axis, i64.
    Index(u32),
    /// A constant.
    Const(Scalar),
    /// `op(a)`; result type as [`UnaryOp`] says.
    Unary(UnaryOp, ExprId),
    /// `op(a, b)`, both of one type.
    Binary(BinaryOp, ExprId, ExprId),
    /// `if c { a } else { b }`; `c` is bool, `a` and `b` of one type. Both are evaluated.
    Select(ExprId, ExprId, ExprId),
    /// Conversion to a type: float to int truncates towards zero and saturates (NaN becomes 0), int to int wraps,
    /// anything to bool is `!= 0`.
    Cast(DType, ExprId),
}

macro_rules! op_table {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every operation of the table.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// Name in texts.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The operation of that name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|op| op.name() == name)
            }
        }
    };
}

op_table! {
    /// Operations on one scalar. Unless said otherwise the result has the operand's type.
    UnaryOp {
        /// `-a`; integers wrap.
        Neg = "neg",
        /// `|a|`.
        Abs = "abs",
        /// -1, 0 or 1; NaN stays NaN.
        Sign = "sign",
        /// `select(a < 0, 0, a)`: NaN stays NaN.
        Relu = "relu",
        /// Largest integer not above (floats).
        Floor = "floor",
        /// Smallest integer not below (floats).
        Ceil = "ceil",
        /// Nearest integer, ties to even (floats).
        Round = "round",
        /// Square root (floats).
        Sqrt = "sqrt",
        /// `1 / a` (floats).
        Recip = "recip",
        /// e^a (floats).
        Exp = "exp",
        /// Natural logarithm (floats).
        Log = "log",
        /// Natural logarithm of 1 + a (floats).
        Log1p = "log1p",
        /// Sine (floats).
        Sin = "sin",
        /// Cosine (floats).
        Cos = "cos",
        /// Hyperbolic tangent (floats).
        Tanh = "tanh",
        /// `1 / (1 + e^-a)` (floats).
        Sigmoid = "sigmoid",
        /// Error function (floats).
        Erf = "erf",
        /// Logical not (bool) or bitwise not (integers).
        Not = "not",
        /// Whether NaN (floats; bool result).
        IsNan = "isnan",
        /// Whether positive or negative infinity (floats; bool result).
        IsInf = "isinf",
    }
}

op_table! {
    /// Operations on two scalars of one type. Unless said otherwise the result has that type.
    BinaryOp {
        /// Sum; integers wrap.
        Add = "add",
        /// Difference; integers wrap.
        Sub = "sub",
        /// Product; integers wrap.
        Mul = "mul",
        /// Quotient; integers truncate towards zero, x/0 is 0 and MIN/-1 wraps.
        Div = "div",
        /// Remainder with the sign of the divisor (ONNX Mod with fmod=0); x mod 0 is 0.
        Mod = "mod",
        /// Remainder with the sign of the dividend (C's fmod and %); integer x rem 0 is 0.
        Rem = "rem",
        /// Power; integers by repeated multiplication (a negative exponent gives 0, or 1, -1 for base 1, -1).
        Pow = "pow",
        /// Smaller; NaN if either is NaN.
        Min = "min",
        /// Larger; NaN if either is NaN.
        Max = "max",
        /// Logical or bitwise and (bool, integers).
        And = "and",
        /// Logical or bitwise or (bool, integers).
        Or = "or",
        /// Logical or bitwise exclusive or (bool, integers).
        Xor = "xor",
        /// Equal (bool result; NaN is not equal to anything).
        Eq = "eq",
        /// Less than (bool result).
        Lt = "lt",
        /// Less than or equal (bool result).
        Le = "le",
    }
}

/// A canonical scalar expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expr {
    nodes: Vec<ExprNode>,
}

impl Expr {
    /// The expression that is its operand `k`.
    pub fn input(k: u32) -> Expr {
        Expr { nodes: vec![ExprNode::Input(k)] }
    }

    /// The nodes, operands before users; the last is the result.
    pub fn nodes(&self) -> &[ExprNode] {
        &self.nodes
    }

    /// The result's id.
    pub fn result(&self) -> ExprId {
        ExprId(self.nodes.len() as u32 - 1)
    }

    /// Whether the expression is `$0` itself.
    pub fn is_identity(&self) -> bool {
        self.nodes == [ExprNode::Input(0)]
    }

    /// One more than the largest operand number used; 0 if none.
    pub fn input_count(&self) -> usize {
        self.nodes.iter().map(|n| if let ExprNode::Input(k) = n { *k as usize + 1 } else { 0 }).max().unwrap_or(0)
    }

    /// This expression with `$k` replaced by `inner[k]`; operands beyond `inner` stay as they are.
    pub fn compose(&self, inner: &[Expr]) -> Expr {
        let mut b = ExprBuilder::default();
        let inner: Vec<ExprId> = inner.iter().map(|e| b.append(e, |b, node| b.push(node))).collect();
        let result = b.append(self, |b, node| match node {
            ExprNode::Input(k) if (k as usize) < inner.len() => inner[k as usize],
            other => b.push(other),
        });
        b.finish(result)
    }

    /// This expression with operand `k` renamed to `rename(k)`.
    pub fn renumber(&self, rename: impl Fn(u32) -> u32) -> Expr {
        let mut b = ExprBuilder::default();
        let result = b.append(self, |b, node| match node {
            ExprNode::Input(k) => b.push(ExprNode::Input(rename(k))),
            other => b.push(other),
        });
        b.finish(result)
    }
}

/// Builds an [`Expr`]; equal nodes are shared, `finish` drops what the result does not need.
#[derive(Clone, Debug, Default)]
pub struct ExprBuilder {
    nodes: Vec<ExprNode>,
}

#[allow(missing_docs)] // one short method a node kind
impl ExprBuilder {
    /// Adds a node or finds its equal.
    pub fn push(&mut self, node: ExprNode) -> ExprId {
        let at = self.nodes.iter().position(|n| *n == node).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        ExprId(at as u32)
    }

    pub fn input(&mut self, k: u32) -> ExprId {
        self.push(ExprNode::Input(k))
    }

    pub fn index(&mut self, axis: u32) -> ExprId {
        self.push(ExprNode::Index(axis))
    }

    pub fn constant(&mut self, value: Scalar) -> ExprId {
        self.push(ExprNode::Const(value))
    }

    pub fn unary(&mut self, op: UnaryOp, a: ExprId) -> ExprId {
        self.push(ExprNode::Unary(op, a))
    }

    pub fn binary(&mut self, op: BinaryOp, a: ExprId, b: ExprId) -> ExprId {
        self.push(ExprNode::Binary(op, a, b))
    }

    pub fn select(&mut self, condition: ExprId, a: ExprId, b: ExprId) -> ExprId {
        self.push(ExprNode::Select(condition, a, b))
    }

    pub fn cast(&mut self, dtype: DType, a: ExprId) -> ExprId {
        self.push(ExprNode::Cast(dtype, a))
    }

    /// Copies an expression in, each node made by `place` (its operands already renamed); returns the result's id.
    pub fn append(&mut self, expr: &Expr, mut place: impl FnMut(&mut Self, ExprNode) -> ExprId) -> ExprId {
        let mut new: Vec<ExprId> = Vec::with_capacity(expr.nodes.len());
        for node in &expr.nodes {
            let renamed = node.map_operands(|id| new[id.0 as usize]);
            let id = place(self, renamed);
            new.push(id);
        }
        new[new.len() - 1]
    }

    /// The canonical expression with that result.
    pub fn finish(self, result: ExprId) -> Expr {
        let mut order = ExprBuilder::default();
        let mut placed = vec![None; self.nodes.len()];
        let mut stack = vec![(result, false)];
        while let Some((id, ready)) = stack.pop() {
            let at = id.0 as usize;
            if placed[at].is_some() {
                continue;
            }
            if ready {
                let node = self.nodes[at].map_operands(|o| placed[o.0 as usize].unwrap_or(ExprId(0)));
                placed[at] = Some(order.push(node));
            } else {
                stack.push((id, true));
                stack.extend(self.nodes[at].operands().rev().map(|o| (o, false)));
            }
        }
        Expr { nodes: order.nodes }
    }
}

impl ExprNode {
    /// The operands, in order.
    pub fn operands(&self) -> impl DoubleEndedIterator<Item = ExprId> + use<> {
        let (list, n) = match *self {
            ExprNode::Input(_) | ExprNode::Index(_) | ExprNode::Const(_) => ([ExprId(0); 3], 0),
            ExprNode::Unary(_, a) | ExprNode::Cast(_, a) => ([a; 3], 1),
            ExprNode::Binary(_, a, b) => ([a, b, b], 2),
            ExprNode::Select(c, a, b) => ([c, a, b], 3),
        };
        list.into_iter().take(n).collect::<Vec<_>>().into_iter()
    }

    /// The node with each operand renamed.
    pub fn map_operands(&self, mut f: impl FnMut(ExprId) -> ExprId) -> ExprNode {
        match *self {
            ExprNode::Unary(op, a) => ExprNode::Unary(op, f(a)),
            ExprNode::Binary(op, a, b) => ExprNode::Binary(op, f(a), f(b)),
            ExprNode::Select(c, a, b) => ExprNode::Select(f(c), f(a), f(b)),
            ExprNode::Cast(dtype, a) => ExprNode::Cast(dtype, f(a)),
            leaf => leaf,
        }
    }
}
