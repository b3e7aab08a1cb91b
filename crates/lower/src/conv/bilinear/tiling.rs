//! The numbers of a convolution by products at points: tiles along each axis, points, and how the work is cut.

use crate::conv::ConvShape;
use crate::point_product::PointProduct;
use cnnc_ir::graph::Candidate;
use cnnc_ir::minimal_filtering::Phases;

/// One spatial axis cut into tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileAxis {
    /// Outputs of a tile.
    pub m: usize,
    /// Inputs of a tile, and points: `m + r - 1` for a window of r taps, or for the longest of its phases.
    pub size: usize,
    /// Stride: pixels from one input of a tile to the next.
    pub stride: usize,
    /// Phases of the window.
    pub phases: Phases,
    /// Extent of the image.
    pub input: usize,
    /// Extent of the result.
    pub output: usize,
    /// Padding before the image.
    pub pad: usize,
    /// Tiles.
    pub tiles: usize,
}

/// How it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// The size of a tile along each spatial axis, in outputs or inputs as the algorithm says.
    pub tile: Vec<usize>,
    /// Tiles of a block, a multiple of `mr`.
    pub tiles: usize,
    /// Tiles of a register tile.
    pub mr: usize,
    /// Result vectors of a register tile, and of a bundle.
    pub nv: usize,
    /// Whether the transformed input of all blocks is made first, by a kernel of its own, so that bundles of the result
    /// can be shared among threads as well; else each block's waits in private scratch.
    pub shared: bool,
}

/// A convolution cut into tiles, under a blocking.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiling {
    /// Its shape: dilations 1; one group, or groups of whole blocks of channels.
    pub shape: ConvShape,
    /// The spatial axes.
    pub axes: Vec<TileAxis>,
    /// Points of a tile: multiplications that it needs for each pair of channels, of each phase that has any there.
    pub points: usize,
    /// How it is cut.
    pub blocking: Blocking,
    /// Lanes of a vector, and channels of a block.
    pub lanes: usize,
}

impl Blocking {
    /// As a candidate whose tile sizes are named `{size}0`, `{size}1`, ...
    pub fn candidate(&self, algorithm: &str, size: &str) -> Candidate {
        let tile: Vec<(String, i64)> =
            self.tile.iter().enumerate().map(|(k, &n)| (format!("{size}{k}"), n as i64)).collect();
        let mut params: Vec<(&str, i64)> = tile.iter().map(|(key, n)| (key.as_str(), *n)).collect();
        params.extend([
            ("tiles", self.tiles as i64),
            ("mr", self.mr as i64),
            ("nv", self.nv as i64),
            ("shared", i64::from(self.shared)),
        ]);
        Candidate::new(algorithm, &params)
    }

    /// The blocking that a candidate holds for so many spatial axes, if its parameters are all there and in range.
    pub fn of(candidate: &Candidate, size: &str, axes: usize) -> Option<Blocking> {
        let get = |key: &str| {
            let value = *candidate.params.get(key)?;
            usize::try_from(value).ok().filter(|&v| v > 0 && v < 1 << 20)
        };
        let tile = (0..axes).map(|k| get(&format!("{size}{k}"))).collect::<Option<Vec<usize>>>()?;
        let (tiles, mr, nv) = (get("tiles")?, get("mr")?, get("nv")?);
        let fits = mr <= 64 && nv <= 64 && mr * nv <= 64 && tiles.is_multiple_of(mr);
        let shared = candidate.params.get("shared").is_some_and(|&v| v != 0);
        fits.then_some(Blocking { tile, tiles, mr, nv, shared })
    }
}

impl TileAxis {
    /// A spatial axis in tiles of `m` outputs; `None` where the shape has no such axis.
    pub fn new(shape: &ConvShape, axis: usize, m: usize) -> Option<TileAxis> {
        let (&r, &output) = (shape.window.kernel.get(axis)?, shape.output.get(axis)?);
        let (pad, stride) = (shape.window.pads_begin[axis], shape.window.strides[axis]);
        let phases = Phases::of(r, stride);
        let (size, input, tiles) = (m + phases.taps - 1, shape.input[axis], output.div_ceil(m));
        Some(TileAxis { m, size, stride, phases, input, output, pad, tiles })
    }
}

impl Tiling {
    /// Inputs of a tile.
    pub fn size(&self) -> usize {
        self.axes.iter().map(|a| a.size).product()
    }

    /// Inputs of a tile along each axis.
    pub fn sizes(&self) -> Vec<usize> {
        self.axes.iter().map(|a| a.size).collect()
    }

    /// The axis along which a tile's results are stored line by line: the last of more than one element.
    pub fn line_axis(&self) -> usize {
        self.axes.iter().rposition(|a| a.size > 1).unwrap_or(0)
    }

    /// Images and tiles along each axis: the shape of the list of tiles.
    pub fn tile_extents(&self) -> Vec<usize> {
        std::iter::once(self.shape.images).chain(self.axes.iter().map(|a| a.tiles)).collect()
    }

    /// Tiles of all images.
    pub fn tiles(&self) -> usize {
        self.tile_extents().iter().product()
    }

    /// Blocks of tiles.
    pub fn blocks(&self) -> usize {
        self.tiles().div_ceil(self.blocking.tiles)
    }

    /// Blocks of input channels.
    pub fn channel_blocks(&self) -> usize {
        self.shape.channels.div_ceil(self.lanes)
    }

    /// Vectors of output channels.
    pub fn vectors(&self) -> usize {
        self.shape.outputs.div_ceil(self.lanes)
    }

    /// Bundles of `nv` vectors of output channels.
    pub fn bundles(&self) -> usize {
        self.vectors().div_ceil(self.blocking.nv)
    }

    /// Bundles of a group.
    pub fn group_bundles(&self) -> usize {
        self.bundles().div_ceil(self.shape.groups)
    }

    /// Whether no bundle of so many vectors is of two groups.
    pub fn takes(&self, nv: usize) -> bool {
        nv <= self.vectors() && (self.shape.groups == 1 || (self.vectors() / self.shape.groups).is_multiple_of(nv))
    }

    /// The products at the points.
    pub fn product(&self) -> PointProduct {
        let Blocking { tiles, mr, nv, .. } = self.blocking;
        PointProduct {
            points: self.points,
            phases: self.phases(),
            channels: self.shape.group_channels(),
            input_blocks: self.channel_blocks(),
            tiles,
            mr,
            nv,
            lanes: self.lanes,
        }
    }
}
