//! Elementary functions as kernel instructions: no code outside the kernels is ever called.
//!
//! Each function is one file and takes a [`Floats`], which writes f32 or f64 arithmetic on vectors, and its operands.
//! Error bounds are over all operands whose result is a normal number, with `mul_add` rounded once or twice; kernels run
//! with denormals flushed, so that results below the smallest normal number may be zero. Special operands (zeros,
//! infinities, NaN, poles, overflow) give what C's functions give. The coefficients are minimax polynomials found by
//! Remez exchange in 160-bit arithmetic.

mod angle;
mod erf;
mod exp;
mod floats;
mod log;
mod log1p;
mod pow;
mod remainder;
mod sigmoid;
mod sin_cos;
mod tanh;

pub use erf::erf;
pub use exp::exp;
pub use floats::Floats;
pub use log::log;
pub use log1p::log1p;
pub use pow::pow;
pub use remainder::{floored_remainder, remainder};
pub use sigmoid::{gated, sigmoid};
pub use sin_cos::{cos, sin};
pub use tanh::tanh;
