//! Transposed convolution algorithms, one file each.

pub mod loops;
pub mod phases;
