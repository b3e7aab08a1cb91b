//! Layer normalisation written out (`d = x - mean(x)`, `d / sqrt(mean(d * d) + epsilon)`) becomes one operator, also
//! without centring (`x / sqrt(mean(x * x) + epsilon)`, root mean square).
//!
//! How the arithmetic is divided into maps does not matter: the quotient is looked for inside expressions, and its
//! parts through the maps that make their operands. The root may be `sqrt`, a power of a half, or inverted. Scale and
//! bias stay in the map and become the tail later.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, ExprNode, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, ValueId};
use cnnc_tensor::Layout;

/// The pass.
pub const PASS: Pass = Pass {
    name: "fuse_layer_norm",
    about: "recognises layer normalisation written out as means and maps",
    accuracy: Accuracy::Rounding,
    run: fuse_layer_norm,
};

fn fuse_layer_norm(graph: &Graph) -> Option<Graph> {
    let mut rewriter = Rewriter::new(graph);
    let mut changed = false;
    for (id, node) in graph.nodes() {
        let Some(found) = find(graph, node) else {
            rewriter.copy(id);
            continue;
        };
        let Found { mean: Mean { x, axes, center }, epsilon, rest } = found;
        let ty = graph.ty(x).clone();
        let x = rewriter.get(x);
        let op = Op::Normalize { axes, epsilon: epsilon.to_bits(), center, tail: Expr::input(0) };
        let normal = rewriter.new.add_typed(&node.name, op, &[x], vec![ty], None)[0];
        if rest == Expr::input(node.inputs.len() as u32) {
            rewriter.set(node.outputs[0], normal);
            changed = true;
            continue;
        }
        let mut inputs: Vec<ValueId> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
        inputs.push(normal);
        let result = graph.ty(node.outputs[0]).clone();
        let op = Op::Map { expr: rest, dims: result.dims.clone() };
        let new = rewriter.new.add_typed(&node.name, op, &inputs, vec![result], None)[0];
        rewriter.set(node.outputs[0], new);
        changed = true;
    }
    let fused = changed.then(|| rewriter.finish())?;
    // The operands that are no longer needed must go, or the normalisation could not take the map as its tail.
    Some((crate::canonicalize_maps::PASS.run)(&fused).unwrap_or(fused))
}

struct Found {
    mean: Mean,
    epsilon: f32,
    /// The map's expression with the quotient replaced by a new last operand.
    rest: Expr,
}

/// What is normalised over which axes, with its mean taken off or not.
#[derive(PartialEq)]
struct Mean {
    x: ValueId,
    axes: Vec<usize>,
    center: bool,
}

fn find(graph: &Graph, node: &Node) -> Option<Found> {
    let (Op::Map { expr, .. }, None) = (&node.op, &node.candidate) else { return None };
    let result = graph.ty(node.outputs[0]);
    (0..expr.nodes().len()).find_map(|place| {
        let quotient = Term { graph, node, expr, at: ExprId(place as u32) };
        let (mean, epsilon) = quotient.normalised()?;
        let ty = graph.ty(mean.x);
        let same = ty.dims == result.dims && ty.dtype == result.dtype && ty.layout == Layout::Plain;
        let rest = replace(expr, quotient.at, node.inputs.len() as u32);
        same.then_some(Found { mean, epsilon, rest })
    })
}

/// A node of some map's expression.
#[derive(Clone, Copy)]
struct Term<'a> {
    graph: &'a Graph,
    node: &'a Node,
    expr: &'a Expr,
    at: ExprId,
}

impl<'a> Term<'a> {
    /// The expression node; for an operand that a map makes, the root of that map's expression.
    fn look(self) -> (Term<'a>, ExprNode) {
        let mut term = self;
        loop {
            let node = term.expr.nodes()[term.at.0 as usize];
            let made = term.operand().and_then(|v| term.graph.producer(v)).map(|p| term.graph.node(p));
            match made.map(|n| (n, &n.op)) {
                Some((made, Op::Map { expr, .. })) if made.candidate.is_none() => {
                    term = Term { node: made, expr, at: expr.result(), ..term };
                }
                _ => return (term, node),
            }
        }
    }

    /// The same map's term at another node.
    fn other(self, at: ExprId) -> Term<'a> {
        Term { at, ..self }
    }

    /// The operand that this is.
    fn operand(self) -> Option<ValueId> {
        let ExprNode::Input(k) = self.expr.nodes()[self.at.0 as usize] else { return None };
        self.node.inputs.get(k as usize).copied()
    }

    /// The value that this is: an operand, or the map's result.
    fn value(self) -> Option<ValueId> {
        self.operand().or_else(|| (self.at == self.expr.result()).then(|| self.node.outputs[0]))
    }

    fn binary(self, op: BinaryOp) -> Option<(Term<'a>, Term<'a>)> {
        match self.look() {
            (term, ExprNode::Binary(found, a, b)) if found == op => Some((term.other(a), term.other(b))),
            _ => None,
        }
    }

    fn unary(self, op: UnaryOp) -> Option<Term<'a>> {
        match self.look() {
            (term, ExprNode::Unary(found, a)) if found == op => Some(term.other(a)),
            _ => None,
        }
    }

    fn constant(self) -> Option<f64> {
        if let (_, ExprNode::Const(value)) = self.look() { Some(value.to_f64()) } else { None }
    }

    /// `d / sqrt(v + epsilon)` or `d * (1 / sqrt(v + epsilon))`, v the mean of the squares of d.
    fn normalised(self) -> Option<(Mean, f32)> {
        // The quotient itself must be in this map, or every map behind it would count.
        let ExprNode::Binary(op, a, b) = self.expr.nodes()[self.at.0 as usize] else { return None };
        let (a, b) = (self.other(a), self.other(b));
        let (d, sum) = match op {
            BinaryOp::Div => (a, b.root()?),
            BinaryOp::Mul => match b.inverse_root() {
                Some(sum) => (a, sum),
                None => (b, a.inverse_root()?),
            },
            _ => return None,
        };
        let (a, b) = sum.binary(BinaryOp::Add)?;
        let (variance, epsilon) = match (a.constant(), b.constant()) {
            (None, Some(epsilon)) => (a, epsilon),
            (Some(epsilon), None) => (b, epsilon),
            _ => return None,
        };
        let (squares, axes) = mean_of(self.graph, variance.value()?)?;
        let squares = self.graph.node(self.graph.producer(squares)?);
        let Op::Map { expr, .. } = &squares.op else { return None };
        let dims = &self.graph.ty(squares.outputs[0]).dims;
        let (x, same) = Term { node: squares, expr, at: expr.result(), ..self }.binary(BinaryOp::Mul)?;
        let centred = d.centred().filter(|mean| {
            mean.axes == axes && [x, same].iter().all(|t| t.centred().is_some_and(|other| other == *mean))
        });
        let plain = || {
            let x = x.value().filter(|&v| same.value() == Some(v) && d.value() == Some(v))?;
            Some(Mean { x, axes: axes.clone(), center: false })
        };
        let mean = centred.or_else(plain)?;
        (self.graph.ty(mean.x).dims == *dims).then_some((mean, epsilon as f32))
    }

    /// The operand of a square root.
    fn root(self) -> Option<Term<'a>> {
        self.unary(UnaryOp::Sqrt).or_else(|| self.power(0.5))
    }

    fn inverse_root(self) -> Option<Term<'a>> {
        let quotient = || self.binary(BinaryOp::Div).filter(|(one, _)| one.constant() == Some(1.0))?.1.root();
        self.unary(UnaryOp::Recip).and_then(Term::root).or_else(|| self.power(-0.5)).or_else(quotient)
    }

    fn power(self, exponent: f64) -> Option<Term<'a>> {
        self.binary(BinaryOp::Pow).filter(|(_, e)| e.constant() == Some(exponent)).map(|(x, _)| x)
    }

    /// `x - mean(x)`.
    fn centred(self) -> Option<Mean> {
        let (x, mean) = self.binary(BinaryOp::Sub)?;
        let (averaged, axes) = mean_of(self.graph, mean.value()?)?;
        let x = x.value()?;
        (averaged == x).then_some(Mean { x, axes, center: true })
    }
}

/// The operand and the axes of a mean that keeps its dims.
fn mean_of(graph: &Graph, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let node = graph.node(graph.producer(value)?);
    let Op::Reduce { kind: ReduceKind::Mean, axes, keep_dims: true } = &node.op else { return None };
    (!axes.is_empty()).then(|| (node.inputs[0], axes.clone()))
}

fn replace(expr: &Expr, place: ExprId, operand: u32) -> Expr {
    let mut b = ExprBuilder::default();
    let mut made: Vec<ExprId> = Vec::with_capacity(expr.nodes().len());
    for (k, node) in expr.nodes().iter().enumerate() {
        let id =
            if k == place.0 as usize { b.input(operand) } else { b.push(node.map_operands(|o| made[o.0 as usize])) };
        made.push(id);
    }
    let result = made[made.len() - 1];
    b.finish(result)
}
