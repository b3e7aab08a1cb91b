//! The operators that import knows: one row each, with a handler per since-version where versions differ.
//!
//! A handler reads operands and attributes, adds core operators to the graph and returns the node's results. A
//! version that changes only the element types an operator takes needs no handler of its own.

mod activation;
mod arg_reduce;
mod batch_normalization;
mod binary;
mod cast;
mod clip;
mod compare;
mod concat;
mod constant;
mod constant_of_shape;
mod conv;
mod conv_transpose;
mod cum_sum;
mod depth_to_space;
mod dropout;
mod einsum;
mod expand;
mod eye_like;
mod flatten;
mod gather;
mod gather_elements;
mod gather_nd;
mod gemm;
mod global_pool;
mod grid_sample;
mod group_normalization;
mod hardmax;
mod identity;
mod instance_normalization;
mod is_inf;
mod layer_normalization;
mod lp_normalization;
mod lrn;
mod matmul;
mod mean_variance_normalization;
mod modulo;
mod non_max_suppression;
mod normalize;
mod one_hot;
mod pad;
mod pool;
mod pow;
mod prelu;
mod range;
mod reduce;
mod reshape;
mod resize;
mod resize_table;
mod rms_normalization;
mod scatter_elements;
mod scatter_nd;
mod select;
mod shape;
mod size;
mod slice;
mod softmax;
mod space_to_depth;
mod split;
mod squeeze;
mod tile;
mod top_k;
mod transpose;
mod trilu;
mod unary;
mod unsqueeze;
mod upsample;
mod variadic;
mod window;

use crate::context::{Context, Results};
use crate::node::Node;

/// The newest version of ONNX's operator set that import knows.
pub const NEWEST_OPSET: i64 = 28;

/// Imports one node: adds operators to the graph, returns the results in order.
pub type Handler = fn(&mut Context, &Node) -> Results;

/// An operator with its handlers by since-version, ascending.
type Row = (&'static str, &'static [(i64, Handler)]);

/// Operators that compute: alphabetical.
const COMPUTE: &[Row] = &[
    ("Abs", &[(1, unary::unary)]),
    ("Add", &[(1, binary::arithmetic_1), (7, binary::arithmetic)]),
    ("And", &[(1, compare::compare_1), (7, compare::compare)]),
    ("ArgMax", &[(1, arg_reduce::arg_reduce)]),
    ("ArgMin", &[(1, arg_reduce::arg_reduce)]),
    ("AveragePool", &[(1, pool::average_pool)]),
    (
        "BatchNormalization",
        &[
            (1, batch_normalization::batch_normalization_1),
            (9, batch_normalization::batch_normalization_9),
            (14, batch_normalization::batch_normalization),
        ],
    ),
    ("Cast", &[(1, cast::cast_1), (6, cast::cast)]),
    ("CastLike", &[(15, cast::cast_like)]),
    ("Ceil", &[(1, unary::unary)]),
    ("Celu", &[(12, activation::celu)]),
    ("Clip", &[(1, clip::clip_1), (11, clip::clip)]),
    ("Constant", &[(1, constant::constant)]),
    ("Conv", &[(1, conv::conv)]),
    ("ConvTranspose", &[(1, conv_transpose::conv_transpose)]),
    ("Cos", &[(7, unary::unary)]),
    ("Div", &[(1, binary::arithmetic_1), (7, binary::arithmetic)]),
    ("Dropout", &[(1, dropout::dropout_1), (10, dropout::dropout_10), (12, dropout::dropout)]),
    ("Elu", &[(1, activation::elu)]),
    ("Equal", &[(1, compare::compare_1), (7, compare::compare)]),
    ("Erf", &[(9, unary::unary)]),
    ("Exp", &[(1, unary::unary)]),
    ("Floor", &[(1, unary::unary)]),
    ("Gelu", &[(20, activation::gelu)]),
    ("Gemm", &[(1, gemm::gemm)]),
    ("GlobalAveragePool", &[(1, global_pool::global_average_pool)]),
    ("GlobalLpPool", &[(1, global_pool::global_lp_pool_1), (2, global_pool::global_lp_pool)]),
    ("GlobalMaxPool", &[(1, global_pool::global_max_pool)]),
    ("Greater", &[(1, compare::compare_1), (7, compare::compare)]),
    ("GreaterOrEqual", &[(12, compare::compare)]),
    (
        "GroupNormalization",
        &[(18, group_normalization::group_normalization_18), (21, group_normalization::group_normalization)],
    ),
    ("HardSigmoid", &[(1, activation::hard_sigmoid)]),
    ("HardSwish", &[(14, activation::hard_swish)]),
    ("Hardmax", &[(1, hardmax::hardmax_1), (13, hardmax::hardmax)]),
    ("Identity", &[(1, identity::identity)]),
    ("InstanceNormalization", &[(1, instance_normalization::instance_normalization)]),
    ("IsInf", &[(10, is_inf::is_inf)]),
    ("IsNaN", &[(9, unary::unary)]),
    ("LRN", &[(1, lrn::lrn)]),
    ("LayerNormalization", &[(17, layer_normalization::layer_normalization)]),
    ("LeakyRelu", &[(1, activation::leaky_relu)]),
    ("Less", &[(1, compare::compare_1), (7, compare::compare)]),
    ("LessOrEqual", &[(12, compare::compare)]),
    ("Log", &[(1, unary::unary)]),
    ("LogSoftmax", &[(1, softmax::softmax_1), (13, softmax::softmax)]),
    ("LpNormalization", &[(1, lp_normalization::lp_normalization)]),
    ("LpPool", &[(1, pool::lp_pool_1), (2, pool::lp_pool)]),
    ("MatMul", &[(1, matmul::matmul)]),
    ("Max", &[(1, variadic::variadic)]),
    ("MaxPool", &[(1, pool::max_pool)]),
    ("Mean", &[(1, variadic::variadic)]),
    ("MeanVarianceNormalization", &[(9, mean_variance_normalization::mean_variance_normalization)]),
    ("Min", &[(1, variadic::variadic)]),
    ("Mish", &[(18, activation::mish)]),
    ("Mod", &[(10, modulo::modulo)]),
    ("Mul", &[(1, binary::arithmetic_1), (7, binary::arithmetic)]),
    ("Neg", &[(1, unary::unary)]),
    ("Not", &[(1, unary::unary)]),
    ("Or", &[(1, compare::compare_1), (7, compare::compare)]),
    ("PRelu", &[(1, prelu::prelu_1), (7, prelu::prelu)]),
    ("Pow", &[(1, pow::pow_1), (7, pow::pow)]),
    ("RMSNormalization", &[(23, rms_normalization::rms_normalization)]),
    ("Reciprocal", &[(1, unary::unary)]),
    ("ReduceL1", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceL2", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceLogSum", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceLogSumExp", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceMax", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceMean", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceMin", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceProd", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("ReduceSum", &[(1, reduce::reduce_1), (13, reduce::reduce_18)]),
    ("ReduceSumSquare", &[(1, reduce::reduce_1), (18, reduce::reduce_18)]),
    ("Relu", &[(1, unary::unary)]),
    ("Round", &[(11, unary::unary)]),
    ("Selu", &[(1, activation::selu_1), (6, activation::selu)]),
    ("Shrink", &[(9, activation::shrink)]),
    ("Sigmoid", &[(1, unary::unary)]),
    ("Sign", &[(9, unary::unary)]),
    ("Sin", &[(7, unary::unary)]),
    ("Softmax", &[(1, softmax::softmax_1), (13, softmax::softmax)]),
    ("Softplus", &[(1, activation::softplus)]),
    ("Softsign", &[(1, activation::softsign)]),
    ("Sqrt", &[(1, unary::unary)]),
    ("Sub", &[(1, binary::arithmetic_1), (7, binary::arithmetic)]),
    ("Sum", &[(1, variadic::variadic)]),
    ("Swish", &[(24, activation::swish)]),
    ("Tanh", &[(1, unary::unary)]),
    ("ThresholdedRelu", &[(10, activation::thresholded_relu)]),
    ("Where", &[(9, select::select)]),
    ("Xor", &[(1, compare::compare_1), (7, compare::compare)]),
];

/// Operators that move data, make it, or speak of shapes: alphabetical.
const MOVE: &[Row] = &[
    ("Concat", &[(1, concat::concat_1), (4, concat::concat)]),
    ("ConstantOfShape", &[(9, constant_of_shape::constant_of_shape)]),
    ("CumSum", &[(11, cum_sum::cum_sum)]),
    ("DepthToSpace", &[(1, depth_to_space::depth_to_space)]),
    ("Einsum", &[(12, einsum::einsum)]),
    ("Expand", &[(8, expand::expand)]),
    ("EyeLike", &[(9, eye_like::eye_like)]),
    ("Flatten", &[(1, flatten::flatten)]),
    ("Gather", &[(1, gather::gather)]),
    ("GatherElements", &[(11, gather_elements::gather_elements)]),
    ("GatherND", &[(11, gather_nd::gather_nd)]),
    ("GridSample", &[(16, grid_sample::grid_sample)]),
    ("NonMaxSuppression", &[(10, non_max_suppression::non_max_suppression)]),
    ("OneHot", &[(9, one_hot::one_hot)]),
    ("Pad", &[(1, pad::pad_1), (2, pad::pad_2), (11, pad::pad)]),
    ("Range", &[(11, range::range)]),
    ("Reshape", &[(1, reshape::reshape_1), (5, reshape::reshape)]),
    ("Resize", &[(10, resize::resize_10), (11, resize::resize)]),
    ("Scatter", &[(9, scatter_elements::scatter_elements)]),
    ("ScatterElements", &[(11, scatter_elements::scatter_elements)]),
    ("ScatterND", &[(11, scatter_nd::scatter_nd)]),
    ("Shape", &[(1, shape::shape)]),
    ("Size", &[(1, size::size)]),
    ("Slice", &[(1, slice::slice_1), (10, slice::slice)]),
    ("SpaceToDepth", &[(1, space_to_depth::space_to_depth)]),
    ("Split", &[(1, split::split_1), (13, split::split)]),
    ("Squeeze", &[(1, squeeze::squeeze_1), (13, squeeze::squeeze)]),
    ("Tile", &[(1, tile::tile_1), (6, tile::tile)]),
    ("TopK", &[(1, top_k::top_k_1), (10, top_k::top_k)]),
    ("Transpose", &[(1, transpose::transpose)]),
    ("Trilu", &[(14, trilu::trilu)]),
    ("Unsqueeze", &[(1, unsqueeze::unsqueeze_1), (13, unsqueeze::unsqueeze)]),
    ("Upsample", &[(1, upsample::upsample_1), (7, upsample::upsample_7), (9, upsample::upsample_9)]),
];

/// The handler of an operator of ONNX's own domain at an opset version.
pub fn handler(op: &str, opset: i64) -> Option<Handler> {
    let (_, versions) = COMPUTE.iter().chain(MOVE).find(|(name, _)| *name == op)?;
    versions.iter().rev().find(|(since, _)| *since <= opset).map(|(_, handler)| *handler)
}

/// Names of all operators that can be imported, each with the opset version that it is known from.
pub fn operators() -> impl Iterator<Item = (&'static str, i64)> {
    COMPUTE.iter().chain(MOVE).filter_map(|(name, versions)| Some((*name, versions.first()?.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted() {
        for table in [COMPUTE, MOVE] {
            assert!(table.windows(2).all(|w| w[0].0 < w[1].0));
            assert!(table.iter().all(|(_, versions)| versions.windows(2).all(|w| w[0].0 < w[1].0)));
        }
    }
}
