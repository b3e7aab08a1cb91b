//! The list of algorithms: all that the compiler can do, in one place.

use crate::Algorithm;

/// Every algorithm. Order matters only among equal costs: the first wins.
pub const ALGORITHMS: &[&Algorithm] = &[
    &crate::broadcast::BROADCAST,
    &crate::concat::CONCAT,
    &crate::conv::depthwise::DEPTHWISE,
    &crate::conv::direct::DIRECT,
    &crate::conv::direct_plain_input::DIRECT_PLAIN_INPUT,
    &crate::conv::grouped::GROUPED,
    &crate::conv::loops::CONV_LOOPS,
    &crate::conv::pointwise::POINTWISE,
    &crate::convert::CONVERT,
    &crate::gather::GATHER,
    &crate::gather_elements::GATHER_ELEMENTS,
    &crate::gather_nd::GATHER_ND,
    &crate::grid_sample::GRID_SAMPLE,
    &crate::map::MAP,
    &crate::matmul::gemm::GEMM,
    &crate::matmul::loops::MATMUL_LOOPS,
    &crate::non_max_suppression::NON_MAX_SUPPRESSION,
    &crate::pad::PAD,
    &crate::reduce::REDUCE,
    &crate::reshape::RESHAPE,
    &crate::resize::RESIZE,
    &crate::resize_copy::RESIZE_COPY,
    &crate::resize_nearest::RESIZE_NEAREST,
    &crate::scatter_elements::SCATTER_ELEMENTS,
    &crate::scatter_nd::SCATTER_ND,
    &crate::slice::SLICE,
    &crate::top_k::TOP_K,
    &crate::transpose::TRANSPOSE,
];
