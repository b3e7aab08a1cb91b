//! Affine beginnings of expressions: the scale and shift per channel that an expression first applies to one operand.

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, ExprNode, UnaryOp};
use cnnc_tensor::Tensor;

/// `scale * x + shift`, one of each for every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Factors.
    pub scale: Vec<f64>,
    /// Summands.
    pub shift: Vec<f64>,
    /// The last node of the affine beginning.
    pub end: ExprId,
    /// Number of operations taken in.
    pub steps: usize,
}

/// The longest affine beginning of an expression in its operand `input`: operations whose other operand is a constant
/// of one value, or of one value for each of `channels` channels as `per_channel` says.
pub fn affine_beginning(
    expr: &Expr,
    input: u32,
    channels: usize,
    per_channel: &dyn Fn(u32) -> Option<Vec<f64>>,
) -> Option<Affine> {
    let nodes = expr.nodes();
    let start = nodes.iter().position(|n| *n == ExprNode::Input(input))?;
    let mut affine =
        Affine { scale: vec![1.0; channels], shift: vec![0.0; channels], end: ExprId(start as u32), steps: 0 };
    let constant = |id: ExprId| match nodes[id.0 as usize] {
        ExprNode::Const(value) => Some(vec![value.to_f64(); channels]),
        ExprNode::Input(k) if k != input => per_channel(k),
        _ => None,
    };
    loop {
        let z = affine.end;
        let mut users = nodes.iter().enumerate().filter(|(_, n)| n.operands().any(|o| o == z));
        let (Some((at, user)), None) = (users.next(), users.next()) else { return Some(affine) };
        let apply: Option<(Vec<f64>, Vec<f64>)> = match *user {
            ExprNode::Unary(UnaryOp::Neg, _) => Some((vec![-1.0; channels], vec![0.0; channels])),
            ExprNode::Binary(op, a, b) if (a == z) != (b == z) => {
                constant(if a == z { b } else { a }).and_then(|c| step(op, a == z, &c))
            }
            _ => None,
        };
        let Some((factor, summand)) = apply else { return Some(affine) };
        for k in 0..channels {
            affine.scale[k] *= factor[k];
            affine.shift[k] = affine.shift[k] * factor[k] + summand[k];
        }
        affine.end = ExprId(at as u32);
        affine.steps += 1;
    }
}

/// One operation with a constant as factor and summand.
fn step(op: BinaryOp, constant_right: bool, c: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let fill = |value: f64| vec![value; c.len()];
    let each = |f: &dyn Fn(f64) -> f64| c.iter().map(|&v| f(v)).collect::<Vec<f64>>();
    match (op, constant_right) {
        (BinaryOp::Add, _) => Some((fill(1.0), c.to_vec())),
        (BinaryOp::Sub, true) => Some((fill(1.0), each(&|v| -v))),
        (BinaryOp::Sub, false) => Some((fill(-1.0), c.to_vec())),
        (BinaryOp::Mul, _) => Some((c.to_vec(), fill(0.0))),
        (BinaryOp::Div, true) => Some((each(&|v| 1.0 / v), fill(0.0))),
        _ => None,
    }
}

/// The expression with its node `end` replaced by `$0 + $shift`, or by `$0` where there is no shift.
pub fn replace_beginning(expr: &Expr, end: ExprId, shift: Option<u32>) -> Expr {
    let mut b = ExprBuilder::default();
    let mut made: Vec<ExprId> = Vec::with_capacity(expr.nodes().len());
    for (k, node) in expr.nodes().iter().enumerate() {
        let id = if k == end.0 as usize {
            let x = b.input(0);
            match shift {
                Some(operand) => {
                    let t = b.input(operand);
                    b.binary(BinaryOp::Add, x, t)
                }
                None => x,
            }
        } else {
            b.push(node.map_operands(|o| made[o.0 as usize]))
        };
        made.push(id);
    }
    let result = made[made.len() - 1];
    b.finish(result)
}

/// The values of a constant that broadcasts to dims with one value for each index of `axis`, or one for all.
pub fn channel_values(tensor: &Tensor, dims: &[usize], axis: usize) -> Option<Vec<f64>> {
    let channels = dims[axis];
    if !tensor.dtype().is_float() {
        return None;
    }
    if tensor.count() == 1 {
        return Some(vec![tensor.get(0).to_f64(); channels]);
    }
    let from = dims.len().checked_sub(tensor.dims().len())?;
    let own = axis.checked_sub(from)?;
    let only = tensor.dims().iter().enumerate().all(|(k, &d)| if k == own { d == channels } else { d == 1 });
    only.then(|| tensor.to_f64_vec())
}
