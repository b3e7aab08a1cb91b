//! The list of algorithms: all that the compiler can do, in one place.

use crate::Algorithm;

/// Every algorithm. Order matters only among equal costs: the first wins.
pub const ALGORITHMS: &[&Algorithm] = &[
    &crate::conv::direct::DIRECT,
    &crate::conv::direct_plain_input::DIRECT_PLAIN_INPUT,
    &crate::conv::pointwise::POINTWISE,
];
