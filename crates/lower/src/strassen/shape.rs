//! The numbers of a product under Strassen's scheme: what is halved, and how the work is cut.

use crate::Region;
use crate::conv::{ConvShape, is_blocked_f32};
use crate::point_product::PointProduct;
use crate::tail::Tail;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::{DType, Layout, Target};

/// Where rows and columns of the product lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A 1x1 convolution on blocked channels: rows are pixels.
    Blocked {
        /// Spatial axes.
        rank: usize,
    },
    /// Plain matrices `[.., M, K]` and `[.., M, N]`, the batch axes of the first taken into M.
    Rows {
        /// Rank of the result.
        rank: usize,
    },
}

/// A product of `[rows, channels]` and `[channels, outputs]` for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Strassen {
    /// Images; 1 for plain matrices.
    pub images: usize,
    /// Rows of an image.
    pub rows: usize,
    /// Channels that are summed.
    pub channels: usize,
    /// Columns of the result.
    pub outputs: usize,
    /// Where they lie.
    pub place: Place,
    /// The products; `channels` of it are half of the padded ones.
    pub product: PointProduct,
}

impl Strassen {
    /// The product of a region under a blocking (tiles, mr, nv); `None` where it is not one of constant weights, or too
    /// small.
    pub fn new(region: &Region, target: &Target, (tiles, mr, nv): (usize, usize, usize)) -> Option<Strassen> {
        let lanes = target.lanes;
        (*region.constants.get(1)?)?;
        let (images, rows, channels, outputs, place) =
            of_convolution(region, target).or_else(|| of_matrices(region, lanes))?;
        let half = channels.div_ceil(lanes).div_ceil(2) * lanes;
        let fits = rows >= 2 && channels > lanes && outputs > lanes && mr > 0 && tiles > 0 && nv > 0;
        let product = PointProduct { points: 7, channels: half, tiles, mr, nv, lanes };
        (fits && tiles.is_multiple_of(mr)).then_some(Strassen { images, rows, channels, outputs, place, product })
    }

    /// The product that a candidate asks for.
    pub fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Strassen> {
        let get = |key: &str| {
            let value = *candidate.params.get(key)?;
            usize::try_from(value).ok().filter(|&v| v > 0 && v < 1 << 20)
        };
        let (tiles, mr, nv) = (get("tiles")?, get("mr")?, get("nv")?);
        (mr <= 64 && nv <= 64 && mr * nv <= 64).then_some(())?;
        Strassen::new(region, target, (tiles, mr, nv))
    }

    /// Rows of the first half, at least as many as of the second.
    pub fn half_rows(&self) -> usize {
        self.rows.div_ceil(2)
    }

    /// Tiles: a row of the first half with its partner in the second.
    pub fn tiles(&self) -> usize {
        self.images * self.half_rows()
    }

    /// Blocks of tiles.
    pub fn blocks(&self) -> usize {
        self.tiles().div_ceil(self.product.tiles)
    }

    /// Vectors of a row of the input, and of the result.
    pub fn vectors(&self) -> (usize, usize) {
        (self.channels.div_ceil(self.product.lanes), self.outputs.div_ceil(self.product.lanes))
    }

    /// Vectors of the first half of the result's columns.
    pub fn half_vectors(&self) -> usize {
        self.vectors().1.div_ceil(2)
    }

    /// Bundles of `nv` vectors of a half.
    pub fn bundles(&self) -> usize {
        self.half_vectors().div_ceil(self.product.nv)
    }
}

type Extents = (usize, usize, usize, usize, Place);

fn of_convolution(region: &Region, target: &Target) -> Option<Extents> {
    let shape = ConvShape::of(region)?;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.is_nonempty()
        && shape.groups == 1
        && shape.is_pointwise()
        && shape.window.strides.iter().all(|&s| s == 1)
        && !Tail::needs_coordinates(region);
    fits.then(|| {
        let place = Place::Blocked { rank: shape.input.len() };
        (shape.images, shape.pixels(), shape.channels, shape.outputs, place)
    })
}

fn of_matrices(region: &Region, lanes: usize) -> Option<Extents> {
    let (a, result) = (region.inputs.first()?, region.outputs.first()?);
    let cnnc_ir::graph::Op::MatMul { trans_a: false, .. } = region.op else { return None };
    let constant = region.constants.get(1).copied().flatten()?;
    let types = [a, result].iter().all(|t| t.dtype == DType::F32 && t.layout == Layout::Plain);
    let rank = result.dims.len();
    let (&k, &n) = (a.dims.last()?, result.dims.last()?);
    let whole = k.is_multiple_of(2 * lanes) && n.is_multiple_of(2 * lanes);
    let together = rank >= 2 && a.dims.len() == rank && a.dims[..rank - 1] == result.dims[..rank - 1];
    // One matrix: as it is, or packed as `[bundle][product][half of the channels][columns]`.
    let weights = &region.inputs.get(1)?.dims;
    let one = weights.len() == 2 || (weights.len() == 4 && weights[1] == 7 && weights[2] == k / 2);
    let matrix = one && constant.dtype() == DType::F32;
    let flat = a.dims[..rank.saturating_sub(2)].iter().product::<usize>() == 1 || !Tail::needs_rows(region);
    let fits = types && whole && together && matrix && flat && Tail::is_readable(region);
    fits.then(|| (1, a.dims[..rank - 1].iter().product(), k, n, Place::Rows { rank }))
}
