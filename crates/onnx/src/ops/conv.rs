//! Conv: the bias becomes the tail.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use crate::ops::window::window;
use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder};
use cnnc_ir::graph::{Op, ValueId};

/// Conv.
pub fn conv(cx: &mut Context, node: &Node) -> Results {
    let (x, w) = (node.input(0)?, node.input(1)?);
    let (x_dims, w_dims) = (cx.dims(x), cx.dims(w));
    check_ranks(&x_dims, &w_dims)?;
    let groups = groups(node)?;
    let window = window(node, &x_dims[2..], kernel(node, &w_dims)?)?;
    if w_dims[1].checked_mul(groups) != Some(x_dims[1]) || !w_dims[0].is_multiple_of(groups) {
        return invalid(format!("x of dims {x_dims:?}, weights of dims {w_dims:?} and {groups} groups do not fit"));
    }
    let (tail, operands) = biased(cx, node, x, w, w_dims[0])?;
    cx.add(Op::Conv { window, groups, interleaved: false, tail }, &operands)
}

/// Checks that x and weights have the same number of spatial axes.
pub fn check_ranks(x: &[usize], w: &[usize]) -> Result<(), Reason> {
    if x.len() < 3 || x.len() != w.len() {
        return invalid(format!("x of dims {x:?} and weights of dims {w:?}: both need [n, c, spatial..]"));
    }
    Ok(())
}

/// The attribute `group`.
pub fn groups(node: &Node) -> Result<usize, Reason> {
    let group = node.int("group", 1)?;
    match usize::try_from(group) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => invalid(format!("attribute 'group' is {group}")),
    }
}

/// The weights' kernel dims, which `kernel_shape` must repeat where it is given.
pub fn kernel(node: &Node, w_dims: &[usize]) -> Result<Vec<usize>, Reason> {
    let kernel = w_dims[2..].to_vec();
    match node.opt_ints("kernel_shape")?.filter(|l| !l.is_empty()) {
        Some(list) if list.len() != kernel.len() || list.iter().zip(&kernel).any(|(&a, &b)| a != b as i64) => {
            invalid(format!("attribute 'kernel_shape' is {list:?}, the weights have dims {w_dims:?}"))
        }
        _ => Ok(kernel),
    }
}

/// Operands and tail with the optional bias (operand 2, dims `[channels]`).
pub fn biased(
    cx: &mut Context,
    node: &Node,
    x: ValueId,
    w: ValueId,
    channels: usize,
) -> Result<(Expr, Vec<ValueId>), Reason> {
    let Some(bias) = node.optional(2) else { return Ok((Expr::input(0), vec![x, w])) };
    if cx.ty(bias).dims != [channels] {
        return invalid(format!("bias of dims {:?} for {channels} channels", cx.dims(bias)));
    }
    let rank = cx.rank(x);
    let bias = cx.per_channel(bias, rank)?;
    let mut b = ExprBuilder::default();
    let (y, add) = (b.input(0), b.input(1));
    let sum = b.binary(BinaryOp::Add, y, add);
    Ok((b.finish(sum), vec![x, w, bias]))
}
