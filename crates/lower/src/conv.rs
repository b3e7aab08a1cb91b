//! Convolution algorithms, one file each, and what they share: the shape of a region and its sum over register tiles.

pub mod direct;
mod shape;
mod sum;

pub use shape::ConvShape;
pub use sum::{dense_sum, pack_weights};
