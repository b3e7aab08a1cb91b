//! DepthToSpace and SpaceToDepth: reshape, transpose, reshape.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::graph::ValueId;

/// DepthToSpace in its modes DCR (block before channel) and CRD (channel before block).
pub fn depth_to_space(cx: &mut Context, node: &Node) -> Results {
    let (x, block) = (node.input(0)?, block_size(node)?);
    let [n, c, h, w] = image(cx, x)?;
    if !c.is_multiple_of(block * block) {
        return invalid(format!("{c} channels are no multiple of the squared block size {block}"));
    }
    let depth = c / (block * block);
    let (split, perm) = match node.string("mode", "DCR")? {
        "DCR" => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        mode => return invalid(format!("mode '{mode}' is neither DCR nor CRD")),
    };
    let y = rearranged(cx, x, &split, &perm, &[n, depth, h * block, w * block])?;
    Ok(vec![y])
}

/// SpaceToDepth; modes as in DepthToSpace, from opset 28 on.
pub fn space_to_depth(cx: &mut Context, node: &Node) -> Results {
    let (x, block) = (node.input(0)?, block_size(node)?);
    let [n, c, h, w] = image(cx, x)?;
    if !h.is_multiple_of(block) || !w.is_multiple_of(block) {
        return invalid(format!("an image of {h}x{w} is no multiple of the block size {block}"));
    }
    let split = [n, c, h / block, block, w / block, block];
    let perm = match node.string("mode", "DCR")? {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        mode => return invalid(format!("mode '{mode}' is neither DCR nor CRD")),
    };
    let y = rearranged(cx, x, &split, &perm, &[n, c * block * block, h / block, w / block])?;
    Ok(vec![y])
}

fn rearranged(
    cx: &mut Context,
    x: ValueId,
    split: &[usize],
    perm: &[usize],
    joined: &[usize],
) -> Result<ValueId, Reason> {
    let x = cx.reshape(x, split)?;
    let x = cx.transpose(x, perm)?;
    cx.reshape(x, joined)
}

fn block_size(node: &Node) -> Result<usize, Reason> {
    let size = node.need_int("blocksize")?;
    match usize::try_from(size) {
        Ok(block) if (1..1 << 16).contains(&block) => Ok(block),
        _ => invalid(format!("blocksize {size} is out of range")),
    }
}

fn image(cx: &Context, x: ValueId) -> Result<[usize; 4], Reason> {
    let dims = cx.dims(x);
    match dims[..] {
        [n, c, h, w] => Ok([n, c, h, w]),
        _ => invalid(format!("operand must have 4 axes, not dims {dims:?}")),
    }
}
