//! Text of the graph IR, one statement a line:
//!
//! ```text
//! graph "two layers" {
//!   %0 "x": f32[1,3,8,8] = input
//!   %1 "w": f32[4,3,3,3] = const seed=1
//!   %2: f32[4,1,1] = param {0.5, 1.0, -1.5, 0.0}
//!   %3 "y": f32[1,4,6,6] = conv %0, %1, %2 {kernel=[3,3], groups=1, tail=relu(add($0, $1))} @direct(mr=14) "conv1"
//!   %4: f32[1,2,6,6], %5: i64[1,2,6,6] = top_k %3 {k=2, axis=1, largest=true}
//!   output "y" %4 extent %6
//! }
//! ```
//!
//! A value's name stands in front of its type, the name of the ONNX node at the end; `;` starts a comment. Types of
//! node results may be left out: they are inferred. Attributes that are false, empty, or what most nodes have are left
//! out. Values are numbered in the order of their definition, which is the order of their ids, so a graph reads back
//! equal to the last id. A constant of more than a few elements is `seed=N` where it is what [`seeded`] makes of a
//! small seed; else one of at most [`INLINE_ELEMENTS`] is written out in physical order, and a larger one is `@HASH`,
//! the name of a file in a folder ([`print_with_constants`], [`parse_graph_with`]).

mod attributes;
mod constants;
mod cursor;
mod parse;
mod print;

pub use constants::{INLINE_ELEMENTS, seeded};
pub use parse::{parse_candidate, parse_graph, parse_graph_with};
pub use print::print_with_constants;

/// Where and why a text is not a graph.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}
