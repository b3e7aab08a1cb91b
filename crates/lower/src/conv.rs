//! Convolution algorithms, one file each, and what they share: the shape of a region and its sum over register tiles.

mod bilinear;
mod dense;
pub mod depthwise;
pub mod direct;
pub mod direct_plain;
pub mod direct_plain_input;
pub mod fft;
pub mod grouped;
pub mod grouped_dense;
pub mod im2col;
pub mod implicit_gemm;
pub mod interleaved;
mod lanewise;
pub mod loops;
mod plain_kernel;
pub mod pointwise;
pub mod separable;
mod shape;
mod sum;
pub mod winograd;

pub use shape::{ConvShape, is_blocked_f32};
pub use sum::{dense_sum, pack_weights};
