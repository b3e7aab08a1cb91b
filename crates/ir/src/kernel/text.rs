//! Text of the kernel IR: one statement a line.
//!
//! ```text
//! kernel @scale extent 64 {
//!   buffer %x: f32[1024] read
//!   buffer %y: f32[1024] write may_alias
//!   var a0: f32x16
//!   v0: i64 = const 0
//!   v1: i64 = const 64
//!   parallel v2 in v0..v1 {
//!     v3: f32x16 = load %x[v2]
//!     v4: f32x16 = mul v3, v3
//!     set a0, v4
//!     v5: f32x16 = get a0
//!     store %y[v2], v5
//!   }
//! }
//! ```
//!
//! For a kernel that verifies, `parse(print(k)) == k`. `//` begins a comment.

mod names;
mod parse;
mod print;

pub use parse::{parse_kernel, parse_kernels};

/// Where and why a text is not a kernel.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}
