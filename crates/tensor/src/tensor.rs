//! Dense tensors that share their bytes.

use crate::{AlignedBytes, DType, Element, Layout, Scalar, row_major_strides};
use std::{fmt, sync::Arc};

/// Why a tensor could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TensorError {
    /// The product of the dims does not fit.
    #[error("shape {0:?} has more elements than memory can hold")]
    TooLarge(Vec<usize>),
    /// Bytes and shape disagree.
    #[error("shape {dims:?} of {dtype} in layout {layout} needs {want} bytes, got {got}")]
    WrongLength {
        /// Logical dims.
        dims: Vec<usize>,
        /// Element type.
        dtype: DType,
        /// Layout.
        layout: Layout,
        /// Bytes needed.
        want: usize,
        /// Bytes given.
        got: usize,
    },
}

/// A dense tensor: element type, logical dims, layout, and shared bytes (cloning copies none).
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    dims: Vec<usize>,
    layout: Layout,
    bytes: Arc<AlignedBytes>,
}

impl Tensor {
    /// A tensor over bytes in the element order of `layout`.
    pub fn from_bytes(dtype: DType, dims: &[usize], layout: Layout, bytes: &[u8]) -> Result<Tensor, TensorError> {
        let want = byte_count(dtype, dims, layout)?;
        if want != bytes.len() {
            let dims = dims.to_vec();
            return Err(TensorError::WrongLength { dims, dtype, layout, want, got: bytes.len() });
        }
        Ok(Tensor { dtype, dims: dims.to_vec(), layout, bytes: Arc::new(AlignedBytes::copied(bytes)) })
    }

    /// A plain tensor of the values in row-major order.
    pub fn from_vec<T: Element>(dims: &[usize], values: &[T]) -> Result<Tensor, TensorError> {
        // SAFETY: `Element` has no padding, so its bytes are initialised.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        Tensor::from_bytes(T::DTYPE, dims, Layout::Plain, bytes)
    }

    /// A plain tensor of type `dtype`, each value converted by [`Scalar::from_f64`].
    pub fn from_f64(dtype: DType, dims: &[usize], values: &[f64]) -> Result<Tensor, TensorError> {
        Tensor::from_scalars(dtype, dims, values.iter().map(|&v| Scalar::from_f64(dtype, v)))
    }

    /// A plain tensor of type `dtype` from scalars, whose bits are taken as they are.
    pub fn from_scalars(
        dtype: DType,
        dims: &[usize],
        values: impl IntoIterator<Item = Scalar>,
    ) -> Result<Tensor, TensorError> {
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend_from_slice(&value.bits().to_le_bytes()[..dtype.size()]);
        }
        Tensor::from_bytes(dtype, dims, Layout::Plain, &bytes)
    }

    /// A plain 0-dimensional tensor.
    pub fn scalar(value: Scalar) -> Tensor {
        let bytes = AlignedBytes::copied(&value.bits().to_le_bytes()[..value.dtype().size()]);
        Tensor { dtype: value.dtype(), dims: vec![], layout: Layout::Plain, bytes: Arc::new(bytes) }
    }

    /// A tensor of zeros.
    pub fn zeros(dtype: DType, dims: &[usize], layout: Layout) -> Result<Tensor, TensorError> {
        let len = byte_count(dtype, dims, layout)?;
        Ok(Tensor { dtype, dims: dims.to_vec(), layout, bytes: Arc::new(AlignedBytes::zeroed(len)) })
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Logical dims.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Physical layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Bytes, in the element order of the layout.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes for writing; copied first where they are shared.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let own: &mut AlignedBytes = Arc::make_mut(&mut self.bytes);
        own
    }

    /// Number of logical elements.
    pub fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// Elements in physical order, where `T` is of the tensor's type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        // SAFETY: the buffer is aligned to 64, holds `bytes / size` elements, and any bits are a valid `T`.
        (T::DTYPE == self.dtype).then(|| unsafe {
            std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.bytes.len() / size_of::<T>())
        })
    }

    /// Elements for writing, in physical order, where `T` is of the tensor's type.
    pub fn as_slice_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        if T::DTYPE != self.dtype {
            return None;
        }
        let bytes = self.bytes_mut();
        // SAFETY: as in `as_slice`; the borrow is unique.
        Some(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<T>()) })
    }

    /// The element at a physical index.
    ///
    /// # Panics
    /// Where the index is outside the buffer.
    pub fn get(&self, index: usize) -> Scalar {
        let size = self.dtype.size();
        let mut bits = [0; 8];
        bits[..size].copy_from_slice(&self.bytes[index * size..][..size]);
        Scalar::from_bits(self.dtype, u64::from_le_bytes(bits))
    }

    /// Sets the element at a physical index to a scalar of the tensor's own type.
    ///
    /// # Panics
    /// Where the index is outside the buffer.
    pub fn set(&mut self, index: usize, value: Scalar) {
        debug_assert_eq!(value.dtype(), self.dtype);
        let size = self.dtype.size();
        self.bytes_mut()[index * size..][..size].copy_from_slice(&value.bits().to_le_bytes()[..size]);
    }

    /// All elements in physical order as f64 ([`Scalar::to_f64`]).
    pub fn to_f64_vec(&self) -> Vec<f64> {
        match (self.as_slice::<f32>(), self.as_slice::<f64>()) {
            (Some(values), _) => values.iter().map(|&v| f64::from(v)).collect(),
            (_, Some(values)) => values.to_vec(),
            _ => (0..self.bytes.len() / self.dtype.size()).map(|i| self.get(i).to_f64()).collect(),
        }
    }

    /// All elements in physical order as i64 ([`Scalar::to_i64`]).
    pub fn to_i64_vec(&self) -> Vec<i64> {
        (0..self.bytes.len() / self.dtype.size()).map(|i| self.get(i).to_i64()).collect()
    }

    /// The same bytes under other dims of the same number of elements; the layout must be plain.
    pub fn reshaped(&self, dims: &[usize]) -> Result<Tensor, TensorError> {
        let want = byte_count(self.dtype, dims, Layout::Plain)?;
        if want != self.bytes.len() || self.layout != Layout::Plain {
            let (dims, layout) = (dims.to_vec(), self.layout);
            return Err(TensorError::WrongLength { dims, dtype: self.dtype, layout, want, got: self.bytes.len() });
        }
        Ok(Tensor { dims: dims.to_vec(), ..self.clone() })
    }

    /// The same tensor in another layout; tail lanes become zero.
    pub fn with_layout(&self, layout: Layout) -> Result<Tensor, TensorError> {
        if layout == self.layout {
            return Ok(self.clone());
        }
        let mut out = Tensor::zeros(self.dtype, &self.dims, layout)?;
        let size = self.dtype.size();
        let (from, to) = (OffsetOf::new(self.layout, &self.dims), OffsetOf::new(layout, &self.dims));
        let rank = self.dims.len();
        let mut index = vec![0; rank];
        let target = out.bytes_mut();
        for _ in 0..self.count() {
            let (s, t) = (from.at(&index) * size, to.at(&index) * size);
            target[t..t + size].copy_from_slice(&self.bytes[s..s + size]);
            for axis in (0..rank).rev() {
                index[axis] += 1;
                if index[axis] < self.dims[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Ok(out)
    }

    /// Hash of type, dims, layout and content: equal tensors have equal hashes on every machine.
    pub fn content_hash(&self) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(format!("{} {:?} {}", self.dtype, self.dims, self.layout).as_bytes());
        hasher.update(&self.bytes);
        hasher.digest128()
    }
}

/// Maps a logical index to a physical one.
struct OffsetOf {
    strides: Vec<usize>,
    block: Option<usize>,
}

impl OffsetOf {
    fn new(layout: Layout, dims: &[usize]) -> OffsetOf {
        let strides = row_major_strides(&layout.physical_dims(dims));
        OffsetOf { strides, block: if let Layout::Blocked(b) = layout { Some(b) } else { None } }
    }

    fn at(&self, index: &[usize]) -> usize {
        let plain = |(axis, &i): (usize, &usize)| i * self.strides[axis];
        match self.block {
            None => index.iter().enumerate().map(plain).sum(),
            Some(b) => index
                .iter()
                .enumerate()
                .map(|(a, i)| if a == 1 { i / b * self.strides[1] + i % b } else { plain((a, i)) })
                .sum(),
        }
    }
}

fn byte_count(dtype: DType, dims: &[usize], layout: Layout) -> Result<usize, TensorError> {
    layout
        .physical_count(dims)
        .and_then(|n| n.checked_mul(dtype.size()))
        .filter(|&n| n <= isize::MAX as usize / 2)
        .ok_or_else(|| TensorError::TooLarge(dims.to_vec()))
}

impl PartialEq for Tensor {
    /// Bitwise equality.
    fn eq(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype
            && self.dims == other.dims
            && self.layout == other.layout
            && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}/{} [", self.dtype, self.dims, self.layout)?;
        let total = self.bytes.len() / self.dtype.size();
        for i in 0..total.min(8) {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, self.get(i))?;
        }
        f.write_str(if total > 8 { ", ...]" } else { "]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_layout_puts_channels_last_and_zeroes_the_tail() {
        let plain = Tensor::from_vec(&[1, 3, 2], &[1f32, 2., 3., 4., 5., 6.]).unwrap();
        let blocked = plain.with_layout(Layout::Blocked(2)).unwrap();
        assert_eq!(blocked.as_slice::<f32>().unwrap(), &[1., 3., 2., 4., 5., 0., 6., 0.]);
        assert_eq!(blocked.with_layout(Layout::Plain).unwrap(), plain);
    }

    #[test]
    fn overflowing_shapes_are_errors() {
        assert!(Tensor::zeros(DType::F32, &[usize::MAX, 2], Layout::Plain).is_err());
        assert!(Tensor::from_bytes(DType::F32, &[2], Layout::Plain, &[0; 7]).is_err());
    }
}
