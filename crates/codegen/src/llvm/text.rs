//! How types and constants are written in LLVM's text.
//!
//! F16 and BF16 are kept as 16-bit integers in registers, so that no operation on them can become a library call; a
//! bool lane is an `i1` in a register and a byte in memory.

use cnnc_ir::kernel::Ty;
use cnnc_tensor::{DType, Scalar};

/// Element type of a value in a register.
pub(super) fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::Bool => "i1",
        DType::I8 | DType::U8 => "i8",
        DType::F16 | DType::BF16 | DType::I16 | DType::U16 => "i16",
        DType::I32 | DType::U32 => "i32",
        DType::I64 | DType::U64 => "i64",
    }
}

/// Element type in a buffer.
pub(super) fn memory_element(dtype: DType) -> &'static str {
    if dtype == DType::Bool { "i8" } else { element(dtype) }
}

/// The integer type of a size in bytes.
pub(super) fn integer(size: usize) -> &'static str {
    match size {
        1 => "i8",
        2 => "i16",
        4 => "i32",
        _ => "i64",
    }
}

/// `lanes` elements; one lane is a scalar.
pub(super) fn vector(element: &str, lanes: u16) -> String {
    if lanes == 1 { element.into() } else { format!("<{lanes} x {element}>") }
}

/// Type of a value in a register.
pub(super) fn ty(ty: Ty) -> String {
    vector(element(ty.dtype), ty.lanes)
}

/// The ending of an overloaded intrinsic's name: `v16f32` for 16 lanes of `f32`.
pub(super) fn suffix(element: &str, lanes: u16) -> String {
    let short = match element {
        "float" => "f32",
        "double" => "f64",
        "half" => "f16",
        other => other,
    };
    if lanes == 1 { short.into() } else { format!("v{lanes}{short}") }
}

/// A constant of one lane.
pub(super) fn scalar(value: Scalar) -> String {
    match value.dtype() {
        DType::F32 => float(f32::from_bits(value.bits() as u32)),
        DType::F64 => format!("0x{:016X}", value.bits()),
        DType::F16 | DType::BF16 | DType::U64 => value.bits().to_string(),
        DType::Bool => value.is_true().to_string(),
        _ => value.to_i64().to_string(),
    }
}

/// An f32 constant; the text holds the bits of the equal f64.
pub(super) fn float(value: f32) -> String {
    let bits = u64::from(value.to_bits());
    let wide = if value.is_nan() {
        (bits >> 31) << 63 | 0x7ff << 52 | (bits & 0x7f_ffff) << 29
    } else {
        f64::from(value).to_bits()
    };
    format!("0x{wide:016X}")
}

/// A constant in every lane.
pub(super) fn splat(element: &str, lanes: u16, value: &str) -> String {
    if lanes == 1 {
        return value.into();
    }
    let lane = format!("{element} {value}");
    format!("<{}>", vec![lane; lanes.into()].join(", "))
}

/// The vector constant of the given numbers.
pub(super) fn numbers(element: &str, values: impl Iterator<Item = i64>) -> String {
    format!("<{}>", values.map(|v| format!("{element} {v}")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_keep_their_bits() {
        assert_eq!(float(1.5), "0x3FF8000000000000");
        assert_eq!(float(f32::from_bits(0xffc0_0001)), "0xFFF8000020000000");
        assert_eq!(scalar(Scalar::from_bits(DType::U64, u64::MAX)), "18446744073709551615");
        assert_eq!(scalar(Scalar::from_i64(DType::U8, 200)), "200");
        assert_eq!(splat("i32", 2, "7"), "<i32 7, i32 7>");
        assert_eq!(vector("float", 1), "float");
        assert_eq!(suffix("half", 8), "v8f16");
    }
}
