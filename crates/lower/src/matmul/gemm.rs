//! Matrix product in register tiles of rows x vectors of columns. `b` is packed `[bundle][K][nv * lanes]`, at compile
//! time where it is constant, or read as it is. One row or a few of them (a fully connected layer on one image) is the
//! same kernel with wide bundles: it streams the packed matrix once.

use super::MatMulShape;
use crate::tail::Tail;
use crate::tiled::{self, BatchAxis, Channels, ResultPlace, RowAxis, TiledSum, Tiling, WindowAxis, illegal};
use crate::{Algorithm, Class, LowerError, Lowering, Packing, Region, Work, cost};
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

fn sum(region: &Region, shape: &MatMulShape, target: &Target, nv: usize, packed: bool) -> TiledSum {
    let (lanes, width) = (target.lanes, (nv * target.lanes) as i64);
    let (m, n, k) = (shape.m as i64, shape.n as i64, shape.k as i64);
    let bundles = (shape.n as i64 + width - 1) / width;
    let (a_row, a_step) = if shape.trans_a { (1, m) } else { (k, 1) };
    let (w_channel, w_bundle, w_matrix) =
        if packed { (width, k * width, bundles * k * width) } else { (n, width, k * n) };
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
        w_first: 0,
        w_bundle,
        w_vector: lanes as i64,
        mixed_groups: None,
        w_masked: !packed,
        place: ResultPlace::Rows { rank },
    }
}

fn is_packed(candidate: &Candidate) -> bool {
    candidate.params.get("packed") == Some(&1)
}

fn candidates(region: &Region, target: &Target) -> Vec<Candidate> {
    let Some(shape) = fits(region, 2) else { return vec![] };
    let mut found = vec![];
    for packed in [true, false] {
        if !packed && shape.trans_b {
            continue;
        }
        let sum = sum(region, &shape, target, 1, packed);
        for tiling in tiled::tilings(&sum, target).into_iter().take(OFFERED) {
            let mut candidate = tiling.candidate(GEMM.name);
            candidate.params.insert("packed".into(), i64::from(packed));
            found.push(candidate);
        }
    }
    found
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let (Some(shape), Some(tiling), true) = (fits(region, 2), Tiling::of(candidate), is_packed(candidate)) else {
        return vec![];
    };
    let width = tiling.nv * target.lanes;
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

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let (Some(shape), Some(tiling)) = (fits(region, 2), Tiling::of(candidate)) else { return Work::default() };
    let packed = is_packed(candidate);
    let sum = sum(region, &shape, target, tiling.nv, packed);
    let mut seconds = tiled::seconds(&sum, &tiling, target);
    let b_bytes = region.inputs[1].bytes() as f64;
    if packed && region.constants[1].is_none() {
        seconds += cost::roofline(target, 0.0, 1.0, 6.0 * b_bytes, 2);
    }
    if !packed {
        // Rows of `b` lie far apart: a page and a cache line of their own for each step.
        seconds *= 1.1;
    }
    Work { flops: shape.flops(), seconds }
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal(region, candidate, "parameters are missing"))?;
    let packed = is_packed(candidate);
    let inner = if packed { 3 } else { 2 };
    let shape = fits(region, inner).ok_or_else(|| illegal(region, candidate, "not a plain f32 product"))?;
    if !packed && shape.trans_b {
        return Err(illegal(region, candidate, "a transposed second matrix must be packed"));
    }
    tiled::lower(region, candidate, &sum(region, &shape, target, tiling.nv, packed), &tiling)
}
