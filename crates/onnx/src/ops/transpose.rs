//! Transpose.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::{Node, axes_of, axis_of};

/// Axes are reversed where no permutation is given.
pub fn transpose(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let rank = cx.rank(x);
    let perm = match node.opt_ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(list) if list.len() != rank => return invalid(format!("perm {list:?} for {rank} axes")),
        Some(list) => {
            axes_of(&list, rank)?;
            list.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?
        }
    };
    Ok(vec![cx.transpose(x, &perm)?])
}
