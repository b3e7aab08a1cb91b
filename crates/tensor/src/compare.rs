//! Comparison of tensors with tolerance.

use crate::Tensor;

/// How far two tensors of one shape are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest `|a - b|`; infinite where one is NaN or infinite and the other is not the same.
    pub max_abs: f64,
    /// Largest finite `|b|` (b is the reference).
    pub max_reference: f64,
    /// Physical index at which `max_abs` stands.
    pub at: usize,
}

impl Difference {
    /// `max_abs / max_reference`: the error relative to the largest reference value.
    pub fn relative(&self) -> f64 {
        if self.max_abs == 0.0 { 0.0 } else { self.max_abs / self.max_reference.max(1e-12) }
    }
}

/// Compares `a` with the reference `b`; `None` where dims or layout differ. Types may differ.
pub fn compare(a: &Tensor, b: &Tensor) -> Option<Difference> {
    if a.dims() != b.dims() || a.layout() != b.layout() {
        return None;
    }
    let mut worst = Difference { max_abs: 0.0, max_reference: 0.0, at: 0 };
    for (i, (x, y)) in a.to_f64_vec().into_iter().zip(b.to_f64_vec()).enumerate() {
        let apart = if x == y || (x.is_nan() && y.is_nan()) {
            0.0
        } else {
            let d = (x - y).abs();
            if d.is_nan() { f64::INFINITY } else { d }
        };
        if apart > worst.max_abs {
            (worst.max_abs, worst.at) = (apart, i);
        }
        if y.is_finite() {
            worst.max_reference = worst.max_reference.max(y.abs());
        }
    }
    Some(worst)
}
