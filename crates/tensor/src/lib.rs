//! Element types, shapes, layouts and tensors: what every other crate speaks of.
//!
//! Invariants: a [`Tensor`]'s bytes are 64-byte aligned, little-endian and exactly as long as its physical shape
//! needs; tail lanes of a blocked layout are zero.

mod bytes;
mod caches;
mod calibration;
mod compare;
mod dtype;
mod layout;
mod scalar;
mod target;
mod tensor;

pub use bytes::AlignedBytes;
pub use caches::cache_bytes;
pub use calibration::{Calibration, Term};
pub use compare::{Difference, compare};
pub use dtype::{DType, Element};
pub use layout::Layout;
pub use scalar::Scalar;
pub use target::{Ceilings, Isa, Target, is_intel};
pub use tensor::{Tensor, TensorError};

/// Number of elements of a shape: the product of its dims, 1 for a scalar. `None` where it overflows `usize`.
pub fn element_count(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// Row-major strides of a shape, in elements.
pub fn row_major_strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; dims.len()];
    for axis in (0..dims.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1].saturating_mul(dims[axis + 1]);
    }
    strides
}

/// The shape two shapes broadcast to by the rule of numpy and ONNX, or `None` where they do not.
pub fn broadcast_dims(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |k| dims[k]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast_dims(&[2, 1, 3], &[4, 1]), Some(vec![2, 4, 3]));
        assert_eq!(broadcast_dims(&[0], &[1]), Some(vec![0]));
        assert_eq!(broadcast_dims(&[2], &[3]), None);
        assert_eq!(row_major_strides(&[2, 3, 4]), vec![12, 4, 1]);
    }
}
