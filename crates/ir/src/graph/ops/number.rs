//! The two arithmetics of the reference evaluation: f64 for floats, wrapping 64-bit integers for integers.

use crate::graph::TensorType;
use cnnc_tensor::{DType, Scalar, Tensor};
use std::borrow::Cow;

/// Results of an evaluation, or what is wrong with the operands' contents.
pub(in crate::graph) type Evaluated = Result<Vec<Tensor>, String>;

/// A number in which an operator accumulates.
pub(super) trait Number: Copy + PartialOrd + Default + Send + Sync + 'static {
    /// One.
    const ONE: Self;
    /// Sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// Product; integers wrap.
    fn times(self, other: Self) -> Self;
    /// Quotient by a count; integers truncate, `x / 0` of integers is 0.
    fn over(self, count: usize) -> Self;
    /// The elements, in physical order.
    fn read(tensor: &Tensor) -> Vec<Self>;
    /// [`read`](Number::read), without a copy where the tensor holds such numbers.
    fn view(tensor: &Tensor) -> Cow<'_, [Self]>;
    /// A plain tensor of that type, each element rounded once.
    fn tensor(ty: &TensorType, values: &[Self]) -> Result<Tensor, String>;
    /// The elements in a form whose order is that of the element type.
    fn read_ordered(tensor: &Tensor) -> Vec<Self>;
    /// The inverse of [`read_ordered`](Number::read_ordered).
    fn tensor_ordered(ty: &TensorType, values: &[Self]) -> Result<Tensor, String>;
    /// The ordered forms of the lowest and the highest value of an element type.
    fn range(dtype: DType) -> (Self, Self);
    /// Whether the number is NaN.
    fn is_nan(self) -> bool;
}

impl Number for f64 {
    const ONE: f64 = 1.0;

    fn plus(self, other: f64) -> f64 {
        self + other
    }

    fn times(self, other: f64) -> f64 {
        self * other
    }

    fn over(self, count: usize) -> f64 {
        self / count as f64
    }

    fn read(tensor: &Tensor) -> Vec<f64> {
        tensor.to_f64_vec()
    }

    fn view(tensor: &Tensor) -> Cow<'_, [f64]> {
        tensor.as_slice().map_or_else(|| Cow::Owned(Self::read(tensor)), Cow::Borrowed)
    }

    fn tensor(ty: &TensorType, values: &[f64]) -> Result<Tensor, String> {
        let tensor = match ty.dtype {
            DType::F32 => Tensor::from_vec(&ty.dims, &values.iter().map(|&v| v as f32).collect::<Vec<_>>()),
            DType::F64 => Tensor::from_vec(&ty.dims, values),
            dtype => Tensor::from_f64(dtype, &ty.dims, values),
        };
        tensor.map_err(|e| e.to_string())
    }

    fn read_ordered(tensor: &Tensor) -> Vec<f64> {
        tensor.to_f64_vec()
    }

    fn tensor_ordered(ty: &TensorType, values: &[f64]) -> Result<Tensor, String> {
        f64::tensor(ty, values)
    }

    fn range(_: DType) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }
}

/// What takes the order of u64 to that of i64 and back.
const SIGN_BIT: i64 = i64::MIN;

impl Number for i64 {
    const ONE: i64 = 1;

    fn plus(self, other: i64) -> i64 {
        self.wrapping_add(other)
    }

    fn times(self, other: i64) -> i64 {
        self.wrapping_mul(other)
    }

    fn over(self, count: usize) -> i64 {
        self.checked_div(count as i64).unwrap_or(0)
    }

    fn read(tensor: &Tensor) -> Vec<i64> {
        tensor.to_i64_vec()
    }

    fn view(tensor: &Tensor) -> Cow<'_, [i64]> {
        tensor.as_slice().map_or_else(|| Cow::Owned(Self::read(tensor)), Cow::Borrowed)
    }

    fn tensor(ty: &TensorType, values: &[i64]) -> Result<Tensor, String> {
        let scalars = values.iter().map(|&v| Scalar::from_i64(ty.dtype, v));
        Tensor::from_scalars(ty.dtype, &ty.dims, scalars).map_err(|e| e.to_string())
    }

    fn read_ordered(tensor: &Tensor) -> Vec<i64> {
        let mut values = tensor.to_i64_vec();
        if tensor.dtype() == DType::U64 {
            values.iter_mut().for_each(|v| *v ^= SIGN_BIT);
        }
        values
    }

    fn tensor_ordered(ty: &TensorType, values: &[i64]) -> Result<Tensor, String> {
        match ty.dtype {
            DType::U64 => i64::tensor(ty, &values.iter().map(|v| v ^ SIGN_BIT).collect::<Vec<_>>()),
            _ => i64::tensor(ty, values),
        }
    }

    fn range(dtype: DType) -> (i64, i64) {
        let bits = 8 * dtype.size() as u32;
        match dtype {
            DType::Bool => (0, 1),
            DType::U64 | DType::I64 => (i64::MIN, i64::MAX),
            _ if dtype.is_signed_int() => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            _ => (0, (1 << bits) - 1),
        }
    }

    fn is_nan(self) -> bool {
        false
    }
}

/// Adds `weights[k] * rows[k * stride + i]` to `sums[i]` for every k, in the order of k.
pub(super) fn accumulate<T: Number>(sums: &mut [T], weights: &[T], rows: &[T], stride: usize) {
    let len = sums.len();
    let row = |k: usize| &rows[k * stride..][..len];
    let (fours, rest) = weights.as_chunks::<4>();
    let mut at = 0;
    for &[a, b, c, d] in fours {
        let (ra, rb, rc, rd) = (row(at), row(at + 1), row(at + 2), row(at + 3));
        for (i, s) in sums.iter_mut().enumerate() {
            *s = s.plus(a.times(ra[i])).plus(b.times(rb[i])).plus(c.times(rc[i])).plus(d.times(rd[i]));
        }
        at += 4;
    }
    for &weight in rest {
        sums.iter_mut().zip(&rows[at * stride..]).for_each(|(s, &v)| *s = s.plus(weight.times(v)));
        at += 1;
    }
}

/// A zeroed plain tensor of that type.
pub(super) fn zeros(ty: &TensorType) -> Result<Tensor, String> {
    Tensor::zeros(ty.dtype, &ty.dims, cnnc_tensor::Layout::Plain).map_err(|e| e.to_string())
}

/// The `k`-th index, counted from the end where negative, if it lies inside `size`.
pub(super) fn index_inside(index: i64, size: usize) -> Result<usize, String> {
    let from_start = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
    match from_start.and_then(|i| usize::try_from(i).ok()) {
        Some(i) if i < size => Ok(i),
        _ => Err(format!("index {index} is outside an axis of {size} elements")),
    }
}
