//! Declared errors: how far an algorithm's results may be from the exact ones, relative to the largest of them, on
//! inputs as they are after an activation. The differential tests hold every algorithm to what it declares here; the
//! choice adds them up over a network.

use crate::Region;
use crate::conv::ConvShape;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_tensor::Target;

/// Distance from 1 to the next f32: twice the largest relative error of one rounding.
pub const EPSILON: f64 = f32::EPSILON as f64;
/// Terms that are summed in one chain; see [`crate::tiled`].
const SPAN: f64 = 128.0;

/// Values are moved or compared, never rounded.
pub fn none(_: &Region, _: &Candidate, _: &Target) -> f64 {
    0.0
}

/// A few roundings an element: polynomials, short sums, divisions.
pub fn elementwise(_: &Region, _: &Candidate, _: &Target) -> f64 {
    16.0 * EPSILON
}

/// The plain sum of products of a convolution, a transposed one or a matrix product.
pub fn products(region: &Region, _: &Candidate, _: &Target) -> f64 {
    sum(terms(region))
}

/// A sum of so many products. Roundings are independent enough that errors grow with the root of the length of a chain
/// of additions, as the sum itself does (Higham and Mary, "A new approach to probabilistic rounding error analysis",
/// 2019).
pub fn sum(terms: f64) -> f64 {
    EPSILON * (4.0 + 0.5 * terms.min(SPAN).sqrt() + 0.5 * (terms / SPAN).sqrt())
}

/// Products that an element of the result sums.
pub fn terms(region: &Region) -> f64 {
    match region.op {
        Op::MatMul { trans_a, .. } => {
            let dims = &region.inputs[0].dims;
            dims.iter().rev().nth(usize::from(*trans_a)).copied().unwrap_or(1) as f64
        }
        _ => ConvShape::of(region)
            .or_else(|| ConvShape::of_transposed(region))
            .map_or(1.0, |s| (s.group_channels() * s.taps()) as f64),
    }
}
