//! The list of algorithms: all that the compiler can do, in one place.

use crate::Algorithm;

/// Every algorithm. Order matters only among equal costs: the first wins.
pub const ALGORITHMS: &[&Algorithm] = &[
    &crate::arg_reduce::ARG_REDUCE,
    &crate::broadcast::BROADCAST,
    &crate::concat::CONCAT,
    &crate::convert::CONVERT,
    &crate::cum_sum::CUM_SUM,
    &crate::lrn::LRN,
    &crate::map::MAP,
    &crate::normalize::NORMALIZE,
    &crate::pad::PAD,
    &crate::pool::POOL,
    &crate::reduce::REDUCE,
    &crate::reshape::RESHAPE,
    &crate::slice::SLICE,
    &crate::softmax::SOFTMAX,
    &crate::transpose::TRANSPOSE,
];
