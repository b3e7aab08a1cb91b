//! The numbers of a product under Strassen's scheme: into what parts it is cut, and how the work is.

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
    /// Levels: how often rows, channels and outputs are halved.
    pub levels: u32,
    /// The products; `channels` of it are those of a part, padded.
    pub product: PointProduct,
}

/// Most levels.
pub const LEVELS: u32 = 2;

impl Strassen {
    /// The product of a region under some levels and a blocking (tiles, mr, nv); `None` where it is not one of constant
    /// weights, or too small.
    pub fn new(
        region: &Region,
        target: &Target,
        levels: u32,
        (tiles, mr, nv): (usize, usize, usize),
    ) -> Option<Strassen> {
        let (lanes, parts) = (target.lanes, 1 << levels);
        (*region.constants.get(1)?)?;
        let (images, rows, channels, outputs, place) =
            of_convolution(region, target).or_else(|| of_matrices(region, lanes, levels))?;
        let [in_vectors, out_vectors] = [channels, outputs].map(|extent| extent.div_ceil(lanes));
        let fits = [rows, in_vectors, out_vectors].iter().all(|&extent| extent >= parts);
        let blocked = mr > 0 && tiles > 0 && nv > 0 && tiles.is_multiple_of(mr);
        let part = in_vectors.div_ceil(parts) * lanes;
        let (points, input_blocks) = (7usize.pow(levels), part / lanes);
        let product = PointProduct { points, phases: 1, channels: part, input_blocks, tiles, mr, nv, lanes };
        (fits && blocked).then_some(Strassen { images, rows, channels, outputs, place, levels, product })
    }

    /// The product that a candidate asks for.
    pub fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Strassen> {
        let get = |key: &str| {
            let value = *candidate.params.get(key)?;
            usize::try_from(value).ok().filter(|&v| v > 0 && v < 1 << 20)
        };
        let (tiles, mr, nv) = (get("tiles")?, get("mr")?, get("nv")?);
        // Candidates from before there were levels have one.
        let levels = if candidate.params.contains_key("levels") { get("levels")? } else { 1 };
        (mr <= 64 && nv <= 64 && mr * nv <= 64 && levels <= LEVELS as usize).then_some(())?;
        Strassen::new(region, target, levels as u32, (tiles, mr, nv))
    }

    /// Parts of the rows, of the channels and of the outputs.
    pub fn parts(&self) -> usize {
        1 << self.levels
    }

    /// Rows of a part but the last, which may have fewer.
    pub fn part_rows(&self) -> usize {
        self.rows.div_ceil(self.parts())
    }

    /// Tiles: a row of the first part with its partners in the others.
    pub fn tiles(&self) -> usize {
        self.images * self.part_rows()
    }

    /// Blocks of tiles.
    pub fn blocks(&self) -> usize {
        self.tiles().div_ceil(self.product.tiles)
    }

    /// Vectors of a row of the input, and of the result.
    pub fn vectors(&self) -> (usize, usize) {
        (self.channels.div_ceil(self.product.lanes), self.outputs.div_ceil(self.product.lanes))
    }

    /// Vectors of a part of the result's columns but the last, which may have fewer.
    pub fn part_vectors(&self) -> usize {
        self.vectors().1.div_ceil(self.parts())
    }

    /// Bundles of `nv` vectors of a part.
    pub fn bundles(&self) -> usize {
        self.part_vectors().div_ceil(self.product.nv)
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

fn of_matrices(region: &Region, lanes: usize, levels: u32) -> Option<Extents> {
    let (a, result) = (region.inputs.first()?, region.outputs.first()?);
    let cnnc_ir::graph::Op::MatMul { trans_a: false, .. } = region.op else { return None };
    let constant = region.constants.get(1).copied().flatten()?;
    let types = [a, result].iter().all(|t| t.dtype == DType::F32 && t.layout == Layout::Plain);
    let rank = result.dims.len();
    let (&k, &n) = (a.dims.last()?, result.dims.last()?);
    let parts = 1 << levels;
    let whole = k.is_multiple_of(parts * lanes) && n.is_multiple_of(parts * lanes);
    let together = rank >= 2 && a.dims.len() == rank && a.dims[..rank - 1] == result.dims[..rank - 1];
    // One matrix: as it is, or packed as `[bundle][product][channels of a part][columns]`.
    let weights = &region.inputs.get(1)?.dims;
    let packed = weights.len() == 4 && weights[1] == 7usize.pow(levels) && weights[2] == k / parts;
    let one = weights.len() == 2 || packed;
    let matrix = one && constant.dtype() == DType::F32;
    let flat = a.dims[..rank.saturating_sub(2)].iter().product::<usize>() == 1 || !Tail::needs_rows(region);
    let fits = types && whole && together && matrix && flat && Tail::is_readable(region);
    fits.then(|| (1, a.dims[..rank - 1].iter().product(), k, n, Place::Rows { rank }))
}
