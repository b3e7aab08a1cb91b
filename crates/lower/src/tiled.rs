//! Register-tiled sums: the loop nest that dense convolutions, phases of transposed convolutions and matrix products
//! share.
//!
//! A [`TiledSum`] says what is summed: result vectors (of output channels, or of matrix columns) at the positions of a
//! few row axes and one tiled column axis, over channels and window taps. A [`Tiling`] says in which order and in what
//! register tiles. A tile keeps `mr` positions x `nv` vectors in registers; every step of the innermost loop loads `nv`
//! vectors of weights and broadcasts `mr` inputs. Padding costs nothing: taps that fall outside are left out by loop
//! bounds (rows) or by code of their own for the edge tiles (columns).
//!
//! Where the channels are split into chunks, partial sums wait in scratch, so that the weights of a chunk stay in cache
//! over all positions of a work item. The order of summation depends on the tiling alone.

mod ahead;
mod axis;
mod cost;
mod lowering;
mod microkernel;
mod nest;
mod store;
mod tile;
mod tilings;

pub use ahead::Ahead;
pub use axis::{Segment, WindowAxis};
pub use cost::{asked_ahead, from_memory, multiply_adds_per_cycle, seconds};
pub use lowering::{check, illegal, lower, whole};
pub use microkernel::{Accumulators, Streams};
pub use nest::{Emitted, Fill, Input, SPAN, emit};
pub use tilings::{even, tallest, tilings};

use cnnc_ir::graph::Candidate;

/// A batch axis: independent problems of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAxis {
    /// Problems.
    pub extent: usize,
    /// Input elements from one to the next; 0 where all share it.
    pub x_stride: i64,
    /// Weight elements from one to the next; 0 where all share them.
    pub w_stride: i64,
}

/// A row axis: a windowed axis with its strides in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowAxis {
    /// The window.
    pub axis: WindowAxis,
    /// Input elements from one input to the next.
    pub x_stride: i64,
    /// Weight elements from one tap to the next; may be negative.
    pub w_stride: i64,
}

/// The summed channels: `count` channels in blocks of `block` (the last one shorter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Channels summed by each output vector.
    pub count: usize,
    /// Channels of a block.
    pub block: usize,
    /// Input elements from one block to the next.
    pub x_block: i64,
    /// Input elements from one channel of a block to the next.
    pub x_channel: i64,
    /// Weight elements from one block to the next.
    pub w_block: i64,
    /// Weight elements from one channel of a block to the next.
    pub w_channel: i64,
}

impl Channels {
    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.count.div_ceil(self.block.max(1))
    }
}

/// Positions of the column axis whose inputs do not lie at equal distances: several axes of outputs walked as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scattered {
    /// Extents of the axes.
    pub extents: Vec<usize>,
    /// Input elements from one output of each axis to the next.
    pub steps: Vec<i64>,
}

/// Where the result vectors lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultPlace {
    /// `[N, channel blocks, spatial.., lanes]`, all spatial extents given; the row and column axes walk the last of
    /// them, and `flattened` says that the column axis walks all of them as one.
    Blocked {
        /// Extents of the whole result, as in its type.
        spatial: Vec<usize>,
        /// Whether the columns are the flattened spatial axes.
        flattened: bool,
    },
    /// Row-major `[batch.., M, N]`: columns walk M, vectors run along N. Where the sum has no batch axes, columns walk
    /// the batch axes and M as one.
    Rows {
        /// Rank of the result.
        rank: usize,
    },
}

/// What is summed. All strides are in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TiledSum {
    /// Lanes of a vector.
    pub lanes: usize,
    /// Batch axes, outermost first. For [`ResultPlace::Blocked`] exactly one.
    pub batch: Vec<BatchAxis>,
    /// Row axes, outermost first.
    pub rows: Vec<RowAxis>,
    /// The tiled axis.
    pub columns: RowAxis,
    /// The summed channels.
    pub channels: Channels,
    /// Channels (or matrix columns) of the result.
    pub outputs: usize,
    /// Result vectors of one group of channels; all of them where there are no groups. Candidates keep `nv` a divisor
    /// of it where there are several groups.
    pub group_vectors: usize,
    /// Input elements from one group to the next.
    pub x_group: i64,
    /// Input elements from one work item to the next that a private copy does not hold; 0 where the input is read in
    /// place.
    pub x_item: i64,
    /// Where the input is a private copy that starts with the inputs of the first axis's output at which the work item
    /// begins: where in it the positions' inputs stand.
    pub scattered: Option<Scattered>,
    /// Weight elements before tap 0 of everything.
    pub w_first: i64,
    /// Weight elements from one bundle of `nv` result vectors to the next.
    pub w_bundle: i64,
    /// Weight elements from one result vector to the next in a bundle.
    pub w_vector: i64,
    /// Whether weights of the last result vector end with the last output (rows of an unpacked matrix): loads are then
    /// masked there.
    pub w_masked: bool,
    /// Where the channels have groups that do not fill whole blocks: output and input channels of a group. The weights
    /// are those of all channels, zero outside the group, and a bundle sums the blocks that its groups touch.
    pub mixed_groups: Option<(usize, usize)>,
    /// Where the result lies.
    pub place: ResultPlace,
}

/// How it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Positions of a register tile.
    pub mr: usize,
    /// Result vectors of a register tile.
    pub nv: usize,
    /// Flattened rows of a work item.
    pub rows: usize,
    /// Column tiles of a work item; matters only where there is one row, else all.
    pub tiles: usize,
    /// Channel blocks of a chunk.
    pub chunk: usize,
    /// Whether neighbouring work items share their weights (vectors outermost), else their input.
    pub weights_outer: bool,
}

impl TiledSum {
    /// Result vectors.
    pub fn vectors(&self) -> usize {
        self.outputs.div_ceil(self.lanes)
    }

    /// Flattened rows.
    pub fn row_count(&self) -> usize {
        self.rows.iter().map(|r| r.axis.outputs).product()
    }

    /// Bytes from the input of one position of a register tile to that of the next.
    pub fn position_bytes(&self) -> usize {
        let elems = self.columns.x_stride.unsigned_abs() * self.columns.axis.step.unsigned_abs();
        elems as usize * size_of::<f32>()
    }

    /// Whether work items copy their input, and so compute all result vectors.
    pub fn is_copied(&self) -> bool {
        self.x_item != 0 || self.scattered.is_some()
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.outputs == 0
            || self.columns.axis.outputs == 0
            || self.row_count() == 0
            || self.batch.iter().any(|b| b.extent == 0)
    }

    /// Channels that a bundle of `nv` result vectors sums on average.
    pub fn summed_channels(&self, nv: usize) -> f64 {
        let count = self.channels.count as f64;
        self.mixed_groups.map_or(count, |(outputs, channels)| {
            let touched = 1.0 + (nv * self.lanes) as f64 / outputs as f64;
            (touched * channels as f64 + self.channels.block as f64 / 2.0).min(count)
        })
    }
}

impl Tiling {
    /// Whether a work item is a part of a single row.
    pub fn is_by_columns(&self, sum: &TiledSum) -> bool {
        sum.row_count() == 1 && self.tiles < sum.columns.axis.outputs.div_ceil(self.mr)
    }

    /// Work items of one bundle of result vectors and one batch.
    pub fn items(&self, sum: &TiledSum) -> usize {
        if self.is_by_columns(sum) {
            sum.columns.axis.outputs.div_ceil(self.mr).div_ceil(self.tiles)
        } else {
            sum.row_count().div_ceil(self.rows)
        }
    }

    /// The tiling as a candidate of an algorithm.
    pub fn candidate(&self, algorithm: &str) -> Candidate {
        Candidate::new(
            algorithm,
            &[
                ("mr", self.mr as i64),
                ("nv", self.nv as i64),
                ("rows", self.rows as i64),
                ("tiles", self.tiles as i64),
                ("chunk", self.chunk as i64),
                ("weights_outer", i64::from(self.weights_outer)),
            ],
        )
    }

    /// The tiling that a candidate holds, if its parameters are all there and in range.
    pub fn of(candidate: &Candidate) -> Option<Tiling> {
        let get = |key: &str| {
            let value = *candidate.params.get(key)?;
            usize::try_from(value).ok().filter(|&v| v > 0 && v < 1 << 31)
        };
        let (mr, nv) = (get("mr")?, get("nv")?);
        (mr <= 64 && nv <= 64 && mr * nv <= 64).then_some(())?;
        Some(Tiling {
            mr,
            nv,
            rows: get("rows")?,
            tiles: get("tiles")?,
            chunk: get("chunk")?,
            weights_outer: candidate.params.get("weights_outer").is_some_and(|&v| v != 0),
        })
    }
}
