//! Matrix products, one algorithm a file, and the shape that they share.

pub mod gemm;
pub mod loops;
mod shape;

pub use shape::MatMulShape;
