//! A small generator of random numbers and tensors, the same on every machine.

use cnnc_tensor::{DType, Scalar, Tensor};

/// Random numbers from a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    /// A generator; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.bits() >> 32) as usize * n) >> 32
    }

    /// A number in `low..high`.
    pub fn float(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A plain tensor of small numbers: floats in -2..2, integers in -9..=9 (0..=9 where unsigned), bools.
    pub fn tensor(&mut self, dtype: DType, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        let values: Vec<Scalar> = (0..count)
            .map(|_| match dtype {
                DType::Bool => Scalar::bool(self.below(2) == 1),
                _ if dtype.is_float() => Scalar::from_f64(dtype, self.float(-2.0, 2.0)),
                _ if dtype.is_signed_int() => Scalar::from_i64(dtype, self.below(19) as i64 - 9),
                _ => Scalar::from_i64(dtype, self.below(10) as i64),
            })
            .collect();
        Tensor::from_scalars(dtype, dims, values).unwrap()
    }

    /// A plain tensor of floats in a range.
    pub fn floats(&mut self, dtype: DType, dims: &[usize], low: f64, high: f64) -> Tensor {
        let count: usize = dims.iter().product();
        let values: Vec<f64> = (0..count).map(|_| self.float(low, high)).collect();
        Tensor::from_f64(dtype, dims, &values).unwrap()
    }
}
