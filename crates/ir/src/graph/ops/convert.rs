//! `convert`: the same tensor in another layout.

use super::check::{Inferred, exactly};
use super::strided::{self, Strided};
use crate::graph::TensorType;
use cnnc_tensor::{Layout, Tensor};

/// The dispatcher checks that the layout fits the rank.
pub(in crate::graph) fn infer(layout: Layout, inputs: &[&TensorType]) -> Inferred {
    let [x] = exactly(inputs)?;
    Ok(vec![x.with_layout(layout)])
}

/// Copies bytes; tail lanes become zero. The operand may have any layout.
pub(in crate::graph) fn eval(layout: Layout, x: &Tensor) -> Result<Tensor, String> {
    match (x.layout(), layout) {
        (from, to) if from == to => Ok(x.clone()),
        (Layout::Plain, Layout::Blocked(block)) => block_channels(x, block),
        (Layout::Blocked(block), Layout::Plain) => unblock_channels(x, block),
        _ => eval(layout, &eval(Layout::Plain, x)?),
    }
}

fn block_channels(x: &Tensor, block: usize) -> Result<Tensor, String> {
    let mut out = Tensor::zeros(x.dtype(), x.dims(), Layout::Blocked(block)).map_err(|e| e.to_string())?;
    for part in parts(x.dims(), block) {
        strided::copy(
            x.dtype().size(),
            &part.dims,
            Strided { bytes: x.bytes(), offset: part.plain_offset, strides: &part.plain },
            Strided { bytes: out.bytes_mut(), offset: part.blocked_offset, strides: &part.blocked },
        );
    }
    Ok(out)
}

fn unblock_channels(x: &Tensor, block: usize) -> Result<Tensor, String> {
    let mut out = Tensor::zeros(x.dtype(), x.dims(), Layout::Plain).map_err(|e| e.to_string())?;
    for part in parts(x.dims(), block) {
        strided::copy(
            x.dtype().size(),
            &part.dims,
            Strided { bytes: x.bytes(), offset: part.blocked_offset, strides: &part.blocked },
            Strided { bytes: out.bytes_mut(), offset: part.plain_offset, strides: &part.plain },
        );
    }
    Ok(out)
}

/// One copy `[batch, blocks, spatial, channels in the block]` between the two layouts.
struct Part {
    dims: [usize; 4],
    plain: [isize; 4],
    plain_offset: usize,
    blocked: [isize; 4],
    blocked_offset: usize,
}

/// The whole blocks, and the last block where it is not whole.
fn parts(dims: &[usize], block: usize) -> [Part; 2] {
    let (batch, channels) = (dims[0], dims[1]);
    let spatial: usize = dims[2..].iter().product();
    let (whole, rest) = (channels / block, channels % block);
    let part = |blocks: usize, lanes: usize, first: usize| Part {
        dims: [batch, blocks, spatial, lanes],
        plain: [(channels * spatial) as isize, (block * spatial) as isize, 1, spatial as isize],
        plain_offset: first * block * spatial,
        blocked: [(channels.div_ceil(block) * spatial * block) as isize, (spatial * block) as isize, block as isize, 1],
        blocked_offset: first * spatial * block,
    };
    [part(whole, block, 0), part(1, rest, whole)]
}
