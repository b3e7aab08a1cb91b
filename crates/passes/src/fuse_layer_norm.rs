//! Layer normalisation written out (`d = x - mean(x)`, `d / sqrt(mean(d * d) + epsilon)`) becomes one operator.
//!
//! Works on fused maps: the quotient is looked for inside the expression that holds it. Scale and bias stay in the map
//! and become the tail later.

use crate::Pass;
use cnnc_ir::Accuracy;
use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, ExprNode, UnaryOp};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Graph, Node, Op, Rewriter, ValueId};

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
        let x = rewriter.get(found.x);
        let ty = graph.ty(found.x).clone();
        let op =
            Op::Normalize { axes: found.axes, epsilon: found.epsilon.to_bits(), center: true, tail: Expr::input(0) };
        let normal = rewriter.new.add_typed(&node.name, op, &[x], vec![ty], None)[0];
        let mut inputs: Vec<ValueId> = node.inputs.iter().map(|&v| rewriter.get(v)).collect();
        inputs.push(normal);
        let result = graph.ty(node.outputs[0]).clone();
        let op = Op::Map { expr: found.rest, dims: result.dims.clone() };
        let new = rewriter.new.add_typed(&node.name, op, &inputs, vec![result], None)[0];
        rewriter.set(node.outputs[0], new);
        changed = true;
    }
    let fused = changed.then(|| rewriter.finish())?;
    // The operands that are no longer needed must go, or the normalisation could not take the map as its tail.
    Some((crate::canonicalize_maps::PASS.run)(&fused).unwrap_or(fused))
}

struct Found {
    x: ValueId,
    axes: Vec<usize>,
    epsilon: f32,
    /// The map's expression with the quotient replaced by a new last operand.
    rest: Expr,
}

fn find(graph: &Graph, node: &Node) -> Option<Found> {
    let Op::Map { expr, .. } = &node.op else { return None };
    let at = |id: ExprId| expr.nodes()[id.0 as usize];
    let operand =
        |id: ExprId| if let ExprNode::Input(k) = at(id) { node.inputs.get(k as usize).copied() } else { None };
    expr.nodes().iter().enumerate().find_map(|(place, quotient)| {
        let (d, root) = match *quotient {
            ExprNode::Binary(BinaryOp::Div, d, root) => (d, root),
            ExprNode::Binary(BinaryOp::Mul, a, b) => match (at(a), at(b)) {
                (_, ExprNode::Unary(UnaryOp::Recip, root)) => (a, root),
                (ExprNode::Unary(UnaryOp::Recip, root), _) => (b, root),
                _ => return None,
            },
            _ => return None,
        };
        let ExprNode::Unary(UnaryOp::Sqrt, sum) = at(root) else { return None };
        let ExprNode::Binary(BinaryOp::Add, a, b) = at(sum) else { return None };
        let (variance, epsilon) = match (at(a), at(b)) {
            (_, ExprNode::Const(epsilon)) => (a, epsilon),
            (ExprNode::Const(epsilon), _) => (b, epsilon),
            _ => return None,
        };
        let (x, axes) = centred(graph, operand(d)?, operand(variance)?)?;
        let same = graph.ty(x) == &graph.ty(node.outputs[0]).with_layout(graph.ty(x).layout);
        let rest = replace(expr, ExprId(place as u32), node.inputs.len() as u32);
        same.then_some(Found { x, axes, epsilon: epsilon.to_f64() as f32, rest })
    })
}

/// The x and the axes of `d = x - mean(x)` and `variance = mean(d * d)`.
fn centred(graph: &Graph, d: ValueId, variance: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let square = binary(BinaryOp::Mul, 0, 0);
    let (squared, axes) = mean_of(graph, variance)?;
    let squares = graph.node(graph.producer(squared)?);
    let centre = graph.node(graph.producer(d)?);
    let (Op::Map { expr: square_expr, .. }, Op::Map { expr, .. }) = (&squares.op, &centre.op) else { return None };
    if *square_expr != square || squares.inputs != [d] || centre.inputs.len() != 2 {
        return None;
    }
    let (x, mean) = match expr {
        e if *e == binary(BinaryOp::Sub, 0, 1) => (centre.inputs[0], centre.inputs[1]),
        e if *e == binary(BinaryOp::Sub, 1, 0) => (centre.inputs[1], centre.inputs[0]),
        _ => return None,
    };
    (mean_of(graph, mean)? == (x, axes.clone())).then_some((x, axes))
}

/// The operand and the axes of a mean that keeps its dims.
fn mean_of(graph: &Graph, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let node = graph.node(graph.producer(value)?);
    let Op::Reduce { kind: ReduceKind::Mean, axes, keep_dims: true } = &node.op else { return None };
    Some((node.inputs[0], axes.clone()))
}

fn binary(op: BinaryOp, a: u32, b: u32) -> Expr {
    let mut builder = ExprBuilder::default();
    let (x, y) = (builder.input(a), builder.input(b));
    let z = builder.binary(op, x, y);
    builder.finish(z)
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
