//! Matrix product in register tiles of rows x vectors of columns. `b` is packed `[bundle][K][nv * lanes]`, at compile
//! time where it is constant, or read as it is.
//!
//! One row or a few of them (a fully connected layer on one image) is the same kernel, bound by the memory that the
//! matrix comes from. There `b` is packed `[vector][K][lanes]` instead, so that the `nv` vectors of a tile are streams of
//! their own: the processor's prefetcher works within a page, and several streams hide what each new page costs.

use super::MatMulShape;
use crate::tail::Tail;
use crate::tiled::{self, BatchAxis, Channels, ResultPlace, RowAxis, TiledSum, Tiling, WindowAxis, illegal};
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, Packing, Region, Work, cost};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::{DType, Layout, Target};

/// Register-tiled matrix product.
pub const GEMM: Algorithm = Algorithm {
    name: "gemm",
    about: "matrix product in register tiles, the second matrix packed or as it is",
    accuracy: Accuracy::Rounding,
    error: crate::error::products,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

/// Candidates offered of each kind.
const OFFERED: usize = 6;

/// The shape of a region that this takes; `inner` axes of `b` follow its batch axes (3 where it is packed).
fn fits(region: &Region, inner: usize) -> Option<MatMulShape> {
    let shape = MatMulShape::with_inner(region, inner)?;
    let types = || region.inputs[..2].iter().chain(&region.outputs);
    let fits = types().all(|t| t.dtype == DType::F32 && t.layout == Layout::Plain)
        && Tail::is_readable(region)
        && shape.m * shape.n * shape.k * shape.batch.iter().product::<usize>() > 0;
    fits.then_some(shape)
}

/// The largest divisor of the summed extent that makes a good channel block.
fn block_of(k: usize) -> usize {
    if k <= 256 { k } else { (32..=256).rev().find(|d| k.is_multiple_of(*d)).unwrap_or(128) }
}

/// How the second matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weights {
    /// Row-major, as it is.
    Rows,
    /// `[bundle][K][nv * lanes]`: a tile reads one stream.
    Bundles,
    /// `[vector][K][lanes]`: a tile reads a stream for each of its vectors.
    Streams,
}

impl Weights {
    const ALL: [Weights; 3] = [Weights::Rows, Weights::Bundles, Weights::Streams];

    fn of(candidate: &Candidate) -> Weights {
        let set = |key: &str| candidate.params.get(key) == Some(&1);
        match (set("packed"), set("streams")) {
            (false, _) => Weights::Rows,
            (true, false) => Weights::Bundles,
            (true, true) => Weights::Streams,
        }
    }

    /// Writes what [`of`](Weights::of) reads.
    fn note(self, candidate: &mut Candidate) {
        candidate.params.insert("packed".into(), i64::from(self != Weights::Rows));
        if self == Weights::Streams {
            candidate.params.insert("streams".into(), 1);
        }
    }

    /// Columns that are packed side by side; none where nothing is packed.
    fn width(self, nv: usize, lanes: usize) -> Option<usize> {
        match self {
            Weights::Rows => None,
            Weights::Bundles => Some(nv * lanes),
            Weights::Streams => Some(lanes),
        }
    }
}

/// Most rows that are computed from streams: with more, arithmetic counts and one stream suffices.
const STREAMED_ROWS: usize = 4;

fn sum(region: &Region, shape: &MatMulShape, target: &Target, nv: usize, weights: Weights) -> TiledSum {
    let (lanes, bundle) = (target.lanes, (nv * target.lanes) as i64);
    let (m, n, k) = (shape.m as i64, shape.n as i64, shape.k as i64);
    let (a_row, a_step) = if shape.trans_a { (1, m) } else { (k, 1) };
    let (w_channel, w_bundle, w_matrix, w_vector) = match weights.width(nv, lanes) {
        None => (n, bundle, k * n, lanes as i64),
        Some(width) => {
            let (width, whole) = (width as i64, shape.n.next_multiple_of(width) as i64);
            let between = if weights == Weights::Streams { k * width } else { lanes as i64 };
            (width, k * bundle, k * whole, between)
        }
    };
    let block = block_of(shape.k);
    let rank = region.outputs[0].dims.len();
    // Rows of all matrices of `a` are one matrix where `b` has only one.
    let together = shape.b_count == 1
        && !shape.trans_a
        && region.inputs[0].dims.len() == rank
        && region.inputs[0].dims[..rank - 2] == shape.batch
        && !Tail::needs_rows(region);
    let (rows, batch) = if together {
        (shape.m * shape.batch.iter().product::<usize>(), vec![])
    } else {
        let axes = shape.batch.iter().zip(&shape.a_batch).zip(&shape.b_batch);
        let axis = |((&extent, &a), &b): ((&usize, &usize), &usize)| BatchAxis {
            extent,
            x_stride: a as i64 * m * k,
            w_stride: b as i64 * w_matrix,
        };
        (shape.m, axes.map(axis).collect())
    };
    TiledSum {
        lanes,
        batch,
        rows: vec![],
        columns: RowAxis { axis: WindowAxis::plain(rows), x_stride: a_row, w_stride: 0 },
        channels: Channels {
            count: shape.k,
            block,
            x_block: block as i64 * a_step,
            x_channel: a_step,
            w_block: block as i64 * w_channel,
            w_channel,
        },
        outputs: shape.n,
        group_vectors: shape.n.div_ceil(lanes),
        x_group: 0,
        x_item: 0,
        scattered: None,
        w_first: 0,
        w_bundle,
        w_vector,
        mixed_groups: None,
        w_masked: weights == Weights::Rows,
        place: ResultPlace::Rows { rank },
    }
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, 2) else { return vec![] };
    let mut found = vec![];
    for weights in Weights::ALL {
        let sum = sum(region, &shape, target, 1, weights);
        let few = sum.columns.axis.outputs <= STREAMED_ROWS;
        if (weights == Weights::Rows && shape.trans_b) || (weights == Weights::Streams && !few) {
            continue;
        }
        for tiling in tiled::tilings(&sum, target, breadth).into_iter().take(breadth.most(OFFERED)) {
            let mut candidate = tiling.candidate(GEMM.name);
            weights.note(&mut candidate);
            found.push(candidate);
        }
    }
    found
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let (Some(shape), Some(tiling)) = (fits(region, 2), Tiling::of(candidate)) else { return vec![] };
    let Some(width) = Weights::of(candidate).width(tiling.nv, target.lanes) else { return vec![] };
    let bundles = shape.n.div_ceil(width);
    let mut dims = region.inputs[1].dims.clone();
    let rank = dims.len();
    let mut ops = vec![];
    if bundles * width != shape.n {
        let mut end = vec![0; rank];
        end[if shape.trans_b { rank - 2 } else { rank - 1 }] = (bundles * width - shape.n) as isize;
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; rank], end });
    }
    dims.truncate(rank - 2);
    dims.extend(if shape.trans_b { [bundles, width, shape.k] } else { [shape.k, bundles, width] });
    let mut perm: Vec<usize> = (0..rank + 1).collect();
    if shape.trans_b {
        perm.swap(rank - 1, rank);
    } else {
        perm.swap(rank - 2, rank - 1);
    }
    ops.push(Op::Reshape { dims });
    ops.push(Op::Transpose { perm });
    vec![Packing { input: 1, ops }]
}

/// Streams that a tile reads best: fewer do not hide a new page's cost, more gain nothing.
const STREAMS: usize = 4;
/// Time of a tile that reads so many streams, relative to one that reads a single one.
const STREAMS_SHARE: f64 = 0.8;

/// Time over the estimate where rows of `a`, each on lines and pages of its own, feed few registers, as measured.
const ROWS_APART: f64 = 1.15;

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (fits(region, 2), Tiling::of(candidate)) else { return Work::default() };
    let weights = Weights::of(candidate);
    let sum = sum(region, &shape, target, tiling.nv, weights);
    let mut seconds = tiled::seconds(&sum, &tiling, target);
    let b_bytes = region.inputs[1].bytes() as f64;
    if weights == Weights::Streams && tiling.nv == STREAMS {
        seconds *= STREAMS_SHARE;
    }
    if weights != Weights::Rows && region.constants[1].is_none() {
        seconds += cost::roofline(target, 0.0, 1.0, 6.0 * b_bytes, 2);
    }
    if shape.m > 1 && target.lanes < 16 {
        seconds *= ROWS_APART;
    }
    if weights == Weights::Rows {
        // Rows of `b` lie far apart: a page and a cache line of their own for each step.
        seconds *= 1.1;
    }
    Work { flops: shape.flops(), seconds }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let weights = Weights::of(candidate);
    let inner = if weights == Weights::Rows { 2 } else { 3 };
    let shape = fits(region, inner).ok_or_else(|| illegal(region, candidate, "not a plain f32 product"))?;
    if weights == Weights::Rows && shape.trans_b {
        return Err(illegal(region, candidate, "a transposed second matrix must be packed"));
    }
    tiled::lower(region, candidate, &sum(region, &shape, target, tiling.nv, weights), &tiling)
}
