//! What register tiles ask for ahead, so that memory works while the arithmetic does: weights of the tiles to come, and
//! inputs of the next one. A prefetch is a hint: what it points to need not exist.

use super::microkernel::Streams;
use super::nest::{Nest, Place};
use cnnc_ir::kernel::{BinOp, Buf, KernelBuilder, Val};

/// Elements of a cache line.
const LINE: usize = 16;

/// Which weights are asked for while others are read, so that memory works while the arithmetic does.
///
/// Weights that lie in one piece are used by several tiles, each of which walks over all of it. Meanwhile it asks for its
/// part of the piece that follows. A tile that is the only one asks for what stands two pages further: the processor's
/// own fetching ahead ends with each page.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// First element of the part.
    part: Val,
    /// First element of the piece that the tile walks over.
    piece: Val,
    /// Binary logarithm of the number of elements walked over for each asked for.
    shift: u32,
}

impl Ahead {
    /// Most tiles of a piece: over more of them the arithmetic hides that memory is slow.
    const TILES: usize = 256;

    /// Elements from what an only tile reads to what it asks for.
    const FURTHER: i64 = 2048;

    /// Positions from which an only tile asks. Lower ones come by so few instructions from one line of weights to the next
    /// that the loads themselves keep memory busy, and asking disturbs them.
    const TALL: usize = 8;

    /// For a piece of `elems` elements from `piece` on, that is used for `uses.1` positions in tiles of `mr`, now for
    /// those from `uses.0` on; `None` where asking ahead gains nothing.
    pub fn new(b: &mut KernelBuilder, (piece, elems): (Val, usize), uses: (Val, usize), mr: usize) -> Option<Ahead> {
        let tiles = uses.1.div_ceil(mr);
        if tiles == 1 && mr >= Ahead::TALL {
            return Some(Ahead { part: b.offset(piece, Ahead::FURTHER), piece, shift: 0 });
        }
        if !(2..=Ahead::TILES).contains(&tiles) || elems < 16 * tiles {
            return None;
        }
        let part = b.address(elems as i64, &[(piece, 1), (uses.0, (elems / uses.1) as i64)]);
        Some(Ahead { part, piece, shift: tiles.ilog2() })
    }

    /// Asks for what stands opposite the `elems` elements of weights from `w` on.
    pub(super) fn emit(self, b: &mut KernelBuilder, buffer: Buf, w: Val, elems: usize) {
        let walked = b.sub(w, self.piece);
        let shift = b.index(i64::from(self.shift));
        let walked = b.binary(BinOp::Shr, walked, shift);
        let at = b.add(self.part, walked);
        for line in 0..(elems >> self.shift).div_ceil(LINE).max(1) {
            let at = b.offset(at, (line * LINE) as i64);
            b.prefetch(buffer, at);
        }
    }
}

/// Asks for a channel block's inputs of the next tile, where a tile reads a few lines of each block and the blocks
/// come from beyond the second-level cache: runs as short as that are not fetched ahead by the processor itself.
pub(super) fn ask_for_inputs(streams: &Streams, b: &mut KernelBuilder, x: Val) {
    // Elements of a run, and of an input.
    const SHORT: usize = 6 * LINE;
    const FAR: usize = 5 << 16;
    let channels = streams.channels;
    let width = (streams.segment.outputs as i64 * streams.columns.axis.step * streams.columns.x_stride) as usize;
    let pointwise = streams.columns.axis.taps == 1 && streams.rows.iter().all(|(row, _)| row.axis.taps == 1);
    let blocked = streams.columns.x_stride == channels.block as i64;
    let input = channels.blocks() * channels.x_block as usize;
    if !(pointwise && blocked && width <= SHORT && input > FAR) {
        return;
    }
    for line in 0..width.div_ceil(LINE) {
        let at = b.offset(x, (width + line * LINE) as i64);
        b.prefetch(streams.x, at);
    }
}

impl Nest<'_> {
    /// What the tile at column `first` asks for ahead, where a bundle's weights lie in one piece and bundles follow each
    /// other.
    pub(super) fn ahead(&self, b: &mut KernelBuilder, place: &Place, first: Val) -> Option<Ahead> {
        let (sum, tiling) = (self.sum, self.tiling);
        let (channels, blocks) = (&sum.channels, sum.channels.blocks());
        let dense = channels.w_channel == (tiling.nv * sum.lanes) as i64
            && sum.w_bundle == blocks as i64 * channels.w_block
            && sum.mixed_groups.is_none();
        if !dense {
            return None;
        }
        let elems = self.chunk as i64 * channels.w_block;
        let piece = b.address(0, &[(place.w, 1), (place.blocks.0, channels.w_block)]);
        let columns = sum.columns.axis.outputs;
        let uses = if tiling.weights_outer && self.chunk >= blocks {
            let row = b.address(0, &[(place.item.item, tiling.rows as i64), (place.row_in_item, 1)]);
            let row = if self.by_columns { b.index(0) } else { row };
            (b.address(0, &[(row, columns as i64), (first, 1)]), self.row_count * columns)
        } else if let Some((begin, _)) = place.tiles {
            (b.address(0, &[(first, 1), (begin, -(tiling.mr as i64))]), tiling.tiles * tiling.mr)
        } else {
            let rows = tiling.rows.min(self.row_count);
            (b.address(0, &[(place.row_in_item, columns as i64), (first, 1)]), rows * columns)
        };
        Ahead::new(b, (piece, elems as usize), uses, tiling.mr)
    }
}
