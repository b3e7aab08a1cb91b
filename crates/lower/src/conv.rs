//! Convolution algorithms, one file each, and what they share: the shape of a region and its sum over register tiles.

mod dense;
pub mod depthwise;
pub mod direct;
pub mod direct_plain_input;
pub mod grouped;
mod lanewise;
pub mod loops;
pub mod pointwise;
mod shape;
mod sum;

pub use shape::ConvShape;
pub use sum::{dense_sum, pack_weights};
