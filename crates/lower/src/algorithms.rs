//! The list of algorithms: all that the compiler can do, in one place.

use crate::Algorithm;

/// Every algorithm. Order matters only among equal costs: the first wins.
pub const ALGORITHMS: &[&Algorithm] = &[
    &crate::broadcast::BROADCAST,
    &crate::concat::CONCAT,
    &crate::convert::CONVERT,
    &crate::map::MAP,
    &crate::pad::PAD,
    &crate::pool::POOL,
    &crate::reduce::REDUCE,
    &crate::reshape::RESHAPE,
    &crate::slice::SLICE,
    &crate::transpose::TRANSPOSE,
];
