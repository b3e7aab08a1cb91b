//! The list of algorithms: all that the compiler can do, in one place.

use crate::Algorithm;

/// Every algorithm. Order matters only among equal costs: the first wins.
pub const ALGORITHMS: &[&Algorithm] = &[
    &crate::broadcast::BROADCAST,
    &crate::concat::CONCAT,
    &crate::conv::direct::DIRECT,
    &crate::conv::direct_plain_input::DIRECT_PLAIN_INPUT,
    &crate::conv::loops::CONV_LOOPS,
    &crate::conv::pointwise::POINTWISE,
    &crate::convert::CONVERT,
    &crate::matmul::gemm::GEMM,
    &crate::matmul::loops::MATMUL_LOOPS,
    &crate::pad::PAD,
    &crate::reshape::RESHAPE,
    &crate::slice::SLICE,
    &crate::transpose::TRANSPOSE,
];
