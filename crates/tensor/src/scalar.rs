//! One typed number, kept as bits so that it can be compared, hashed and printed without loss.

use crate::DType;
use half::{bf16, f16};
use std::fmt;

/// A number of an element type: the element's bits, zero-extended to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar {
    dtype: DType,
    bits: u64,
}

impl Scalar {
    /// A number from the bits of its type; bits above the type's size are dropped, a `Bool` becomes 0 or 1.
    pub fn from_bits(dtype: DType, bits: u64) -> Scalar {
        let bits = match dtype.size() {
            _ if dtype == DType::Bool => u64::from(bits & 0xff != 0),
            8 => bits,
            size => bits & ((1 << (8 * size)) - 1),
        };
        Scalar { dtype, bits }
    }

    /// The number of a type nearest to `value`; integers truncate towards zero and wrap as Rust's `as` through `i64`
    /// does not: out-of-range values saturate. `Bool` is `value != 0`.
    pub fn from_f64(dtype: DType, value: f64) -> Scalar {
        let bits = match dtype {
            DType::F32 => u64::from((value as f32).to_bits()),
            DType::F64 => value.to_bits(),
            DType::F16 => u64::from(f16::from_f32(to_f32_odd(value)).to_bits()),
            DType::BF16 => u64::from(bf16::from_f32(to_f32_odd(value)).to_bits()),
            DType::I8 => value as i8 as u64,
            DType::I16 => value as i16 as u64,
            DType::I32 => value as i32 as u64,
            DType::I64 => value as i64 as u64,
            DType::U8 => u64::from(value as u8),
            DType::U16 => u64::from(value as u16),
            DType::U32 => u64::from(value as u32),
            DType::U64 => value as u64,
            DType::Bool => u64::from(value != 0.0),
        };
        Scalar::from_bits(dtype, bits)
    }

    /// The number of a type from an integer; integer types wrap (two's complement), `Bool` is `value != 0`.
    pub fn from_i64(dtype: DType, value: i64) -> Scalar {
        if dtype.is_float() {
            Scalar::from_f64(dtype, value as f64)
        } else if dtype == DType::Bool {
            Scalar { dtype, bits: u64::from(value != 0) }
        } else {
            Scalar::from_bits(dtype, value as u64)
        }
    }

    /// An f32.
    pub fn f32(value: f32) -> Scalar {
        Scalar { dtype: DType::F32, bits: u64::from(value.to_bits()) }
    }

    /// An i64.
    pub fn i64(value: i64) -> Scalar {
        Scalar { dtype: DType::I64, bits: value as u64 }
    }

    /// A truth value.
    pub fn bool(value: bool) -> Scalar {
        Scalar { dtype: DType::Bool, bits: u64::from(value) }
    }

    /// The element type.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The element's bits, zero-extended.
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// The value as f64; exact but for 64-bit integers beyond 2^53.
    pub fn to_f64(self) -> f64 {
        match self.dtype {
            DType::F32 => f64::from(f32::from_bits(self.bits as u32)),
            DType::F64 => f64::from_bits(self.bits),
            DType::F16 => f16::from_bits(self.bits as u16).to_f64(),
            DType::BF16 => bf16::from_bits(self.bits as u16).to_f64(),
            DType::U64 => self.bits as f64,
            _ => self.to_i64() as f64,
        }
    }

    /// The value as i64: sign- or zero-extended integers (u64 by bits), floats truncated and saturated.
    pub fn to_i64(self) -> i64 {
        match self.dtype {
            DType::I8 => i64::from(self.bits as i8),
            DType::I16 => i64::from(self.bits as i16),
            DType::I32 => i64::from(self.bits as i32),
            DType::F32 | DType::F64 | DType::F16 | DType::BF16 => self.to_f64() as i64,
            _ => self.bits as i64,
        }
    }

    /// Whether the value is not zero (NaN is not zero).
    pub fn is_true(self) -> bool {
        if self.dtype.is_float() { self.to_f64() != 0.0 } else { self.bits != 0 }
    }
}

/// The f32 below an f64 in magnitude, its last bit set where it is not exact: rounding that to a half type gives what
/// rounding the f64 once would.
fn to_f32_odd(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) == value || !value.is_finite() {
        return near;
    }
    let above = f64::from(near.abs()) > value.abs();
    f32::from_bits((near.to_bits() - u32::from(above)) | 1)
}

/// Prints so that the same type reads back the same bits: `1.5`, `-3`, `true`, `nan`, `inf`; odd NaNs as `nan:0x...`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::Bool => write!(f, "{}", self.bits != 0),
            DType::U64 => write!(f, "{}", self.bits),
            dtype if !dtype.is_float() => write!(f, "{}", self.to_i64()),
            dtype => {
                let value = self.to_f64();
                if value.is_nan() {
                    if *self == Scalar::from_f64(dtype, f64::NAN) {
                        f.write_str("nan")
                    } else {
                        write!(f, "nan:{:#x}", self.bits)
                    }
                } else if value.is_infinite() {
                    f.write_str(if value > 0.0 { "inf" } else { "-inf" })
                } else if dtype == DType::F32 {
                    write!(f, "{:?}", value as f32)
                } else {
                    write!(f, "{value:?}")
                }
            }
        }
    }
}

impl Scalar {
    /// Reads what [`Display`](fmt::Display) printed for that type.
    pub fn parse(dtype: DType, text: &str) -> Option<Scalar> {
        if dtype == DType::Bool {
            return text.parse().ok().map(Scalar::bool);
        }
        if dtype == DType::U64 {
            return text.parse().ok().map(|v| Scalar::from_bits(dtype, v));
        }
        if !dtype.is_float() {
            let scalar = text.parse().ok().map(|v| (v, Scalar::from_i64(dtype, v)))?;
            return (scalar.1.to_i64() == scalar.0).then_some(scalar.1);
        }
        if let Some(hex) = text.strip_prefix("nan:0x") {
            return u64::from_str_radix(hex, 16).ok().map(|bits| Scalar::from_bits(dtype, bits));
        }
        match text {
            "nan" => Some(Scalar::from_f64(dtype, f64::NAN)),
            "inf" => Some(Scalar::from_f64(dtype, f64::INFINITY)),
            "-inf" => Some(Scalar::from_f64(dtype, f64::NEG_INFINITY)),
            _ if dtype == DType::F32 => text.parse().ok().map(Scalar::f32),
            _ => text.parse().ok().map(|v| Scalar::from_f64(dtype, v)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_reads_back(kind in 0usize..13, bits: u64) {
            let scalar = Scalar::from_bits(DType::ALL[kind], bits);
            prop_assert_eq!(Scalar::parse(scalar.dtype(), &scalar.to_string()), Some(scalar));
        }
    }

    #[test]
    fn halves_are_rounded_once() {
        let half = |value: f64| Scalar::from_f64(DType::F16, value).to_f64();
        assert_eq!(half(1.0 + 2f64.powi(-11) + 2f64.powi(-40)), 1.0 + 2f64.powi(-10));
        assert_eq!(half(1.0 + 2f64.powi(-11)), 1.0);
        assert_eq!(half(-1e300), f64::NEG_INFINITY);
        assert_eq!(half(65504.0 + 15.99), 65504.0);
    }

    #[test]
    fn conversions_saturate_and_wrap() {
        assert_eq!(Scalar::from_f64(DType::U8, 300.0).to_i64(), 255);
        assert_eq!(Scalar::from_i64(DType::U8, 300).to_i64(), 44);
        assert_eq!(Scalar::from_i64(DType::I8, -1).to_i64(), -1);
    }
}
