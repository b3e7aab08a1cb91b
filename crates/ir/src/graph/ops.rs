//! The closed set of core operators. Import decomposes everything else into these.
//!
//! Dims, axes and pads are in logical (plain) terms whatever the layout. Axes are non-negative. Every operator takes
//! any element type that its arithmetic makes sense for, unless it says otherwise. "Tail" is an [`Expr`] applied to
//! each output element before the store: `$0` is the element, `$1, $2, ...` are the operands after the fixed ones,
//! broadcast (numpy rule) to the output dims; the identity tail is `$0`. A bias is a tail operand of dims
//! `[C, 1, 1]` (conv) or `[N]` (matmul).

pub(super) mod arg_reduce;
mod attributes;
pub(super) mod broadcast;
pub(super) mod check;
pub(super) mod combine;
pub(super) mod concat;
pub(super) mod conv;
pub(super) mod conv_transpose;
pub(super) mod convert;
pub(super) mod cum_sum;
mod elementwise;
pub(super) mod filter_spectrum;
pub(super) mod filter_transform;
pub(super) mod gather;
pub(super) mod gather_elements;
pub(super) mod gather_nd;
pub(super) mod grid_sample;
pub(super) mod lrn;
pub(super) mod map;
pub(super) mod matmul;
pub(super) mod non_max_suppression;
pub(super) mod normalize;
pub(super) mod number;
pub(super) mod pad;
mod parallel;
pub(super) mod pool;
pub(super) mod reduce;
pub(super) mod reshape;
pub(super) mod resize;
pub(super) mod scatter_elements;
pub(super) mod scatter_nd;
pub(super) mod separable;
pub(super) mod slice;
pub(super) mod softmax;
mod strided;
mod tail;
pub(super) mod top_k;
pub(super) mod transpose;
mod window;

pub use attributes::{GridMode, GridPadding, PadMode, PoolKind, ReduceKind, ScatterKind, Window};

use crate::expr::Expr;
use cnnc_tensor::Layout;

/// An operator of the graph IR.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Every elementwise operator, one or fused: operands broadcast (numpy rule) to the result; `$k` is operand k. All
    /// operands that are not broadcast share the result's layout; a blocked result may have plain operands only where
    /// they hold one element, or dims `[C, 1, ..]` / `[1, C, 1, ..]` (one value per channel). With no operands the
    /// result is given by `dims` alone (`Index` leaves).
    Map {
        /// The expression.
        expr: Expr,
        /// Result dims where there are no operands, or to broadcast beyond them; else empty.
        dims: Vec<usize>,
    },
    /// Convolution. Operands `x [N, C, spatial..]`, `w [O, C/groups, kernel..]`, tail operands. Result `[N, O, ..]`.
    Conv {
        /// Window geometry.
        window: Window,
        /// Number of groups.
        groups: usize,
        /// Channel `o` of the result reads group `o % groups` of the operand's channels, else group `o / (O/groups)`: a
        /// channel shuffle behind the convolution that costs nothing. Weights and tail are in the result's order.
        interleaved: bool,
        /// Tail.
        tail: Expr,
    },
    /// Transposed convolution. Operands `x [N, C, spatial..]`, `w [C, O/groups, kernel..]`, tail operands. Spatial size
    /// `(in-1)*stride + (kernel-1)*dilation + 1 - pads_begin - pads_end + output_pads`.
    ConvTranspose {
        /// Window geometry (pads crop the result).
        window: Window,
        /// Extra size at the end of each spatial axis.
        output_pads: Vec<usize>,
        /// Number of groups.
        groups: usize,
        /// Tail.
        tail: Expr,
    },
    /// Depthwise convolution and the 1x1 convolution of what it makes, which nobody else reads. Operands
    /// `x [N, C, spatial..]`, depthwise weights `[C, 1, kernel..]`, a bias `[C, 1, ..]`, weights `[O, C, 1, ..]`, tail
    /// operands. Result `[N, O, ..]`. Made where both together take less time than one after the other.
    Separable {
        /// Window of the depthwise convolution.
        window: Window,
        /// What is done to each of its results: `$0` is the sum, `$1` the bias.
        between: Expr,
        /// Tail of the 1x1 convolution.
        tail: Expr,
    },
    /// Batched matrix product: operands `a [.., M, K]`, `b [.., K, N]` (before the transposes), both of rank 2 or more,
    /// batch axes broadcast; tail operands.
    MatMul {
        /// `a` is stored `[.., K, M]`.
        trans_a: bool,
        /// `b` is stored `[.., N, K]`.
        trans_b: bool,
        /// Tail.
        tail: Expr,
    },
    /// Pooling over the spatial axes. One result, and with `indices` (max only) a second of i64: index of the largest
    /// tap in the whole plain row-major input tensor (ONNX storage_order 0), or with `column_major` the spatial part
    /// counted column-major.
    Pool {
        /// What is computed.
        kind: PoolKind,
        /// Window geometry.
        window: Window,
        /// For [`PoolKind::AverageIncludePad`]: the declared padding after each spatial axis; else empty.
        count_pads_end: Vec<usize>,
        /// Second result.
        indices: bool,
        /// How the second result counts.
        column_major: bool,
    },
    /// Reduction over axes (sorted, distinct). Empty reductions give the neutral element (Mean: NaN; Max: lowest).
    Reduce {
        /// How.
        kind: ReduceKind,
        /// Over which axes.
        axes: Vec<usize>,
        /// Keep reduced axes as 1.
        keep_dims: bool,
    },
    /// Index (i64) of the largest or smallest element along an axis.
    ArgReduce {
        /// Largest, else smallest.
        largest: bool,
        /// Along which axis.
        axis: usize,
        /// Keep the axis as 1.
        keep_dims: bool,
        /// Among equals the last, else the first.
        last: bool,
    },
    /// Softmax along axes taken as one (sorted, distinct, adjacent), or its logarithm.
    Softmax {
        /// First axis.
        axis: usize,
        /// One past the last axis.
        end: usize,
        /// Logarithm of the softmax.
        log: bool,
    },
    /// `(x - mean) / sqrt(variance + epsilon)` over axes (sorted, distinct), or `x / sqrt(mean(x^2) + epsilon)` where
    /// not centred. Scale and bias are tail operands.
    Normalize {
        /// Over which axes.
        axes: Vec<usize>,
        /// Added to the variance: bits of an f32.
        epsilon: u32,
        /// Subtract the mean.
        center: bool,
        /// Tail.
        tail: Expr,
    },
    /// Local response normalisation across channels (axis 1): `x / (bias + alpha/size * sum x^2)^beta`.
    Lrn {
        /// Number of channels summed.
        size: usize,
        /// Bits of an f32.
        alpha: u32,
        /// Bits of an f32.
        beta: u32,
        /// Bits of an f32.
        bias: u32,
    },
    /// Joins operands along an axis.
    Concat {
        /// Which.
        axis: usize,
    },
    /// Part of a tensor: element `start + i*step` of each axis; every index lies inside.
    Slice {
        /// First index of each axis.
        starts: Vec<usize>,
        /// Step of each axis; negative goes down.
        steps: Vec<isize>,
        /// Result dims.
        dims: Vec<usize>,
    },
    /// Grows a tensor. Operands `x`, and for constant mode a scalar of x's type (absent: zero). Pads may be negative
    /// (crop).
    Pad {
        /// How the new elements are filled.
        mode: PadMode,
        /// Elements before each axis.
        begin: Vec<isize>,
        /// Elements after each axis.
        end: Vec<isize>,
    },
    /// The same elements under other dims. Plain layout.
    Reshape {
        /// Result dims.
        dims: Vec<usize>,
    },
    /// Axis k of the result is axis `perm[k]` of the operand.
    Transpose {
        /// Permutation.
        perm: Vec<usize>,
    },
    /// Broadcasts (numpy rule) to dims.
    Broadcast {
        /// Result dims.
        dims: Vec<usize>,
    },
    /// `data[.., indices, ..]` along an axis: result dims `data[..axis] + indices + data[axis+1..]`. Indices (i32 or i64)
    /// may be negative.
    Gather {
        /// Which axis.
        axis: usize,
    },
    /// Result has the dims of the indices; element `data[i0, .., indices[i], ..]`.
    GatherElements {
        /// Which axis.
        axis: usize,
    },
    /// Operands `data`, `indices [.., k]` (i64).
    GatherNd {
        /// Leading axes shared by both.
        batch_dims: usize,
    },
    /// Operands `data`, `indices`, `updates` (the latter two of equal dims).
    ScatterElements {
        /// Which axis.
        axis: usize,
        /// How updates meet the data.
        kind: ScatterKind,
    },
    /// Operands `data`, `indices [.., k]` (i64), `updates`.
    ScatterNd {
        /// How updates meet the data.
        kind: ScatterKind,
    },
    /// The k largest or smallest along an axis: results values and indices (i64), in order; equal values by index.
    TopK {
        /// How many.
        k: usize,
        /// Along which axis.
        axis: usize,
        /// Largest, else smallest.
        largest: bool,
    },
    /// Running sum along an axis.
    CumSum {
        /// Which.
        axis: usize,
        /// The element itself not counted.
        exclusive: bool,
        /// From the end.
        reverse: bool,
    },
    /// Separable resampling. Operands `x`, then for each entry of `axes` a pair of constants `index [out, taps]` (i64,
    /// inside the axis) and `weight [out, taps]` (f32): along that axis `out[i] = sum_t weight[i,t] * x[index[i,t]]`.
    /// One tap of weight 1 everywhere is a nearest-neighbour copy and works for every element type.
    Resize {
        /// Resampled axes (sorted, distinct).
        axes: Vec<usize>,
        /// Their result sizes.
        sizes: Vec<usize>,
    },
    /// Operands `x [N, C, spatial..]`, `grid [N, out.., rank]` (normalised coordinates, last axis x first).
    GridSample {
        /// Interpolation.
        mode: GridMode,
        /// Outside the image.
        padding: GridPadding,
        /// -1 and 1 are the corner pixels' centres.
        align_corners: bool,
    },
    /// Operands `boxes [B, N, 4]`, `scores [B, C, N]` (f32). Results `selected [max, 3]` (i64: batch, class, box; rows
    /// beyond the count are zero) and `count [1]` (i64), with max = B * C * min(per_class, N).
    NonMaxSuppression {
        /// Boxes are centre and size, else two corners.
        center_point: bool,
        /// Most boxes per class and batch.
        per_class: usize,
        /// Bits of an f32.
        iou_threshold: u32,
        /// Bits of an f32; negative infinity where there is none.
        score_threshold: u32,
    },
    /// Filters `[O, C, kernel..]` (f32 or f64) in the domain of minimal filtering F(m, r): each kernel axis of r taps becomes one
    /// of m + r - 1 points. See [`MinimalFiltering`](crate::minimal_filtering::MinimalFiltering). Of a filter with strides
    /// every phase is one of its own, `[O, phases * C, points..]`: see [`Phases`](crate::minimal_filtering::Phases).
    FilterTransform {
        /// m of each kernel axis.
        outputs: Vec<usize>,
        /// Stride of each kernel axis.
        strides: Vec<usize>,
    },
    /// Filters `[O, C, kernel..]` (f32 or f64) in the domain of Fourier's transform, divided by the size of a tile:
    /// `[O, C, points]`. See [`HalfSpectrum`](crate::half_spectrum::HalfSpectrum).
    FilterSpectrum {
        /// Size of a tile along each kernel axis, a power of two.
        sizes: Vec<usize>,
    },
    /// Weighted sums along axis 0 of an operand `[n, ..]` (f32 or f64): row j of the result is the sum of
    /// `coefficients[j * n + i]` times row i.
    Combine {
        /// Row-major, a row for each of the result's.
        coefficients: Vec<isize>,
    },
    /// The same tensor in another layout.
    Convert {
        /// Result layout.
        layout: Layout,
    },
}

/// The group of channels that channel `output` of a convolution's result reads, of `outputs` in all: see [`Op::Conv`].
pub fn group_of(output: usize, outputs: usize, groups: usize, interleaved: bool) -> usize {
    let groups = groups.max(1);
    if interleaved { output % groups } else { output / (outputs / groups).max(1) }
}

impl Op {
    /// Name in texts, profiles and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Map { .. } => "map",
            Op::Conv { .. } => "conv",
            Op::ConvTranspose { .. } => "conv_transpose",
            Op::Separable { .. } => "separable",
            Op::MatMul { .. } => "matmul",
            Op::Pool { .. } => "pool",
            Op::Reduce { .. } => "reduce",
            Op::ArgReduce { .. } => "arg_reduce",
            Op::Softmax { .. } => "softmax",
            Op::Normalize { .. } => "normalize",
            Op::Lrn { .. } => "lrn",
            Op::Concat { .. } => "concat",
            Op::Slice { .. } => "slice",
            Op::Pad { .. } => "pad",
            Op::Reshape { .. } => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Broadcast { .. } => "broadcast",
            Op::Gather { .. } => "gather",
            Op::GatherElements { .. } => "gather_elements",
            Op::GatherNd { .. } => "gather_nd",
            Op::ScatterElements { .. } => "scatter_elements",
            Op::ScatterNd { .. } => "scatter_nd",
            Op::TopK { .. } => "top_k",
            Op::CumSum { .. } => "cum_sum",
            Op::Resize { .. } => "resize",
            Op::GridSample { .. } => "grid_sample",
            Op::NonMaxSuppression { .. } => "non_max_suppression",
            Op::FilterTransform { .. } => "filter_transform",
            Op::FilterSpectrum { .. } => "filter_spectrum",
            Op::Combine { .. } => "combine",
            Op::Convert { .. } => "convert",
        }
    }

    /// The tail and the number of fixed operands before the tail's, for operators that have one.
    pub fn tail(&self) -> Option<(&Expr, usize)> {
        match self {
            Op::Conv { tail, .. } | Op::ConvTranspose { tail, .. } | Op::MatMul { tail, .. } => Some((tail, 2)),
            Op::Separable { tail, .. } => Some((tail, 4)),
            Op::Normalize { tail, .. } => Some((tail, 1)),
            _ => None,
        }
    }

    /// The tail for writing.
    pub fn tail_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Op::Conv { tail, .. }
            | Op::ConvTranspose { tail, .. }
            | Op::Separable { tail, .. }
            | Op::MatMul { tail, .. }
            | Op::Normalize { tail, .. } => Some(tail),
            _ => None,
        }
    }
}
