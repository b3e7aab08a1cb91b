//! Reshape.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::graph::ValueId;

/// The shape is an attribute (opsets 1 to 4).
pub fn reshape_1(cx: &mut Context, node: &Node) -> Results {
    let (x, shape) = (node.input(0)?, node.need_ints("shape")?);
    Ok(vec![reshaped(cx, x, &shape, false)?])
}

/// The shape is an operand, and from opset 14 on `allowzero` may be set.
pub fn reshape(cx: &mut Context, node: &Node) -> Results {
    let (x, shape) = (node.input(0)?, node.ints_input(cx, 1, "shape")?);
    Ok(vec![reshaped(cx, x, &shape, node.flag("allowzero", false)?)?])
}

fn reshaped(cx: &mut Context, x: ValueId, shape: &[i64], allow_zero: bool) -> Result<ValueId, Reason> {
    let from = cx.dims(x);
    let mut dims = Vec::with_capacity(shape.len());
    let mut open = None;
    for (k, &size) in shape.iter().enumerate() {
        match size {
            -1 if open.is_none() => {
                open = Some(k);
                dims.push(1);
            }
            0 if !allow_zero => match from.get(k) {
                Some(&same) => dims.push(same),
                None => return invalid(format!("shape {shape:?} copies dim {k} of a tensor of dims {from:?}")),
            },
            _ => match usize::try_from(size) {
                Ok(size) => dims.push(size),
                Err(_) => return invalid(format!("shape {shape:?} holds {size} or more than one -1")),
            },
        }
    }
    let count: usize = from.iter().product();
    if let Some(k) = open {
        let rest = cnnc_tensor::element_count(&dims).filter(|&n| n > 0 && count.is_multiple_of(n));
        match rest {
            Some(rest) => dims[k] = count / rest,
            None => return invalid(format!("dims {from:?} do not fit shape {shape:?}")),
        }
    }
    cx.reshape(x, &dims)
}
