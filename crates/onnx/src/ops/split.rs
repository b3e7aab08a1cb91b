//! Split: one slice per result.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axis_of, sizes_of};
use crate::ops::slice::part;

/// Sizes as an attribute, or in opset 1 as an operand too (opsets 1 to 12).
pub fn split_1(cx: &mut Context, node: &Node) -> Results {
    let sizes = match node.opt_ints("split")? {
        Some(sizes) => Some(sizes),
        None => node.optional_ints_input(cx, 1, "split")?,
    };
    parts(cx, node, sizes)
}

/// Sizes as an optional operand; without it equal parts, the last smaller (opset 13 and later).
pub fn split(cx: &mut Context, node: &Node) -> Results {
    let sizes = node.optional_ints_input(cx, 1, "split")?;
    parts(cx, node, sizes)
}

fn parts(cx: &mut Context, node: &Node, sizes: Option<Vec<i64>>) -> Results {
    let x = node.input(0)?;
    let dims = cx.dims(x);
    let axis = axis_of(node.int("axis", 0)?, dims.len())?;
    let size = dims[axis];
    let count = node.outputs.len();
    let sizes = match sizes {
        Some(sizes) => sizes_of(&sizes, "split")?,
        None => {
            if count == 0 || node.opt_int("num_outputs")?.is_some_and(|n| n != count as i64) {
                return invalid(format!("the node has {count} results, attribute 'num_outputs' says otherwise"));
            }
            let chunk = size.div_ceil(count);
            (0..count).map(|k| chunk.min(size.saturating_sub(k * chunk))).collect()
        }
    };
    if sizes.len() != count || sizes.iter().try_fold(0usize, |n, &s| n.checked_add(s)) != Some(size) {
        return invalid(format!("parts {sizes:?} for {count} results do not make up axis {axis} of dims {dims:?}"));
    }
    let mut start = 0;
    let mut results = vec![];
    for size in sizes {
        results.push(part(cx, x, axis, start, size)?);
        start += size;
    }
    Ok(results)
}
