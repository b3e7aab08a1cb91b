//! The numbers of a Winograd convolution: tiles along each axis, points, and how the work is cut.

use crate::conv::ConvShape;
use crate::linear_map::LinearMap;
use crate::point_product::PointProduct;
use cnnc_ir::graph::Candidate;
use cnnc_ir::minimal_filtering::MinimalFiltering;
use cnnc_tensor::row_major_strides;

/// One spatial axis under F(m, r).
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Outputs of a tile.
    pub m: usize,
    /// Inputs of a tile: `m + r - 1`.
    pub points: usize,
    /// Extent of the image.
    pub input: usize,
    /// Extent of the result.
    pub output: usize,
    /// Padding before the image.
    pub pad: usize,
    /// Tiles.
    pub tiles: usize,
    /// B^T.
    pub forward: LinearMap,
    /// A^T.
    pub inverse: LinearMap,
    /// How the transforms of the axis amplify rounding errors.
    pub amplification: f64,
}

/// How it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// Outputs of a tile along each spatial axis.
    pub m: Vec<usize>,
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

/// A convolution that minimal filtering takes, under a blocking.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    /// Its shape: strides and dilations 1, one group.
    pub shape: ConvShape,
    /// The spatial axes.
    pub axes: Vec<Axis>,
    /// How it is cut.
    pub blocking: Blocking,
    /// Lanes of a vector, and channels of a block.
    pub lanes: usize,
}

impl Blocking {
    /// As a candidate.
    pub fn candidate(&self, algorithm: &str) -> Candidate {
        let m: Vec<(String, i64)> = self.m.iter().enumerate().map(|(k, &m)| (format!("m{k}"), m as i64)).collect();
        let mut params: Vec<(&str, i64)> = m.iter().map(|(key, m)| (key.as_str(), *m)).collect();
        params.extend([
            ("tiles", self.tiles as i64),
            ("mr", self.mr as i64),
            ("nv", self.nv as i64),
            ("shared", i64::from(self.shared)),
        ]);
        Candidate::new(algorithm, &params)
    }

    /// The blocking that a candidate holds for so many spatial axes, if its parameters are all there and in range.
    pub fn of(candidate: &Candidate, axes: usize) -> Option<Blocking> {
        let get = |key: &str| {
            let value = *candidate.params.get(key)?;
            usize::try_from(value).ok().filter(|&v| v > 0 && v < 1 << 20)
        };
        let m = (0..axes).map(|k| get(&format!("m{k}"))).collect::<Option<Vec<usize>>>()?;
        let (tiles, mr, nv) = (get("tiles")?, get("mr")?, get("nv")?);
        let fits = mr <= 64 && nv <= 64 && mr * nv <= 64 && tiles.is_multiple_of(mr);
        let shared = candidate.params.get("shared").is_some_and(|&v| v != 0);
        fits.then_some(Blocking { m, tiles, mr, nv, shared })
    }
}

impl Winograd {
    /// The convolution under a blocking; `None` where a window does not fit.
    pub fn new(shape: &ConvShape, blocking: Blocking, lanes: usize) -> Option<Winograd> {
        let window = &shape.window;
        let axes = (0..shape.input.len())
            .map(|k| {
                let (m, r) = (*blocking.m.get(k)?, window.kernel[k]);
                // An axis of one tap has nothing to gain from longer tiles.
                let filtering = MinimalFiltering::new(m, r).filter(|_| r > 1 || m == 1)?;
                Some(Axis {
                    m,
                    points: filtering.points(),
                    input: shape.input[k],
                    output: shape.output[k],
                    pad: window.pads_begin[k],
                    tiles: shape.output[k].div_ceil(m),
                    forward: LinearMap::new(&filtering.input),
                    inverse: LinearMap::new(&filtering.output),
                    amplification: filtering.amplification(),
                })
            })
            .collect::<Option<Vec<Axis>>>()?;
        let winograd = Winograd { shape: shape.clone(), axes, blocking, lanes };
        (winograd.points() <= 512).then_some(winograd)
    }

    /// Points of a tile: multiplications that it needs for each pair of channels.
    pub fn points(&self) -> usize {
        self.axes.iter().map(|a| a.points).product()
    }

    /// Points of the axes.
    pub fn point_dims(&self) -> Vec<usize> {
        self.axes.iter().map(|a| a.points).collect()
    }

    /// Strides of the points in units of one point.
    pub fn point_strides(&self) -> Vec<usize> {
        row_major_strides(&self.point_dims())
    }

    /// Tiles of all images.
    pub fn tiles(&self) -> usize {
        self.shape.images * self.axes.iter().map(|a| a.tiles).product::<usize>()
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

    /// The products at the points.
    pub fn product(&self) -> PointProduct {
        let Blocking { tiles, mr, nv, .. } = self.blocking;
        PointProduct { points: self.points(), channels: self.shape.channels, tiles, mr, nv, lanes: self.lanes }
    }
}
