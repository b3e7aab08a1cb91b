//! DepthToSpace: channels to blocks of pixels, as reshape, transpose, reshape.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;

/// Dims `[n, c, h, w]`, the block size, and whether channels are counted column-row-depth.
pub fn geometry(cx: &Context, node: &Node) -> Result<([usize; 4], usize, bool), Reason> {
    let dims = cx.dims(node.input(0)?);
    let Ok(dims) = <[usize; 4]>::try_from(dims.as_slice()) else {
        return invalid(format!("x of dims {dims:?}: it needs [n, c, h, w]"));
    };
    let block = node.need_int("blocksize")?;
    let Some(block) = usize::try_from(block).ok().filter(|&b| b > 0 && b < 1 << 16) else {
        return invalid(format!("attribute 'blocksize' is {block}"));
    };
    match node.string("mode", "DCR")? {
        "DCR" => Ok((dims, block, false)),
        "CRD" => Ok((dims, block, true)),
        other => invalid(format!("attribute 'mode' is '{other}', which is unknown")),
    }
}

/// DepthToSpace.
pub fn depth_to_space(cx: &mut Context, node: &Node) -> Results {
    let ([n, c, h, w], b, crd) = geometry(cx, node)?;
    if !c.is_multiple_of(b * b) {
        return invalid(format!("{c} channels do not make blocks of {b} by {b}"));
    }
    let depth = c / (b * b);
    let (split, perm) =
        if crd { ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]) } else { ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]) };
    let x = cx.reshape(node.input(0)?, &split)?;
    let x = cx.transpose(x, &perm)?;
    Ok(vec![cx.reshape(x, &[n, depth, h * b, w * b])?])
}
