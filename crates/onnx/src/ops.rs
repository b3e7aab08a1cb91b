//! The operators that import knows: one row each, with a handler per since-version where versions differ.
//!
//! A handler reads operands and attributes, adds core operators to the graph and returns the node's results. A
//! version that changes only the element types an operator takes needs no handler of its own.

mod binary;
mod reshape;
mod unary;

use crate::context::{Context, Results};
use crate::node::Node;

/// The newest version of ONNX's operator set that import knows.
pub const NEWEST_OPSET: i64 = 28;

/// Imports one node: adds operators to the graph, returns the results in order.
pub type Handler = fn(&mut Context, &Node) -> Results;

/// An operator with its handlers by since-version, ascending.
type Row = (&'static str, &'static [(i64, Handler)]);

/// Operators that compute: alphabetical.
const COMPUTE: &[Row] =
    &[("Add", &[(1, binary::arithmetic_1), (7, binary::arithmetic)]), ("Relu", &[(1, unary::unary)])];

/// Operators that move data, make it, or speak of shapes: alphabetical.
const MOVE: &[Row] = &[("Reshape", &[(1, reshape::reshape_1), (5, reshape::reshape)])];

/// The handler of an operator of ONNX's own domain at an opset version.
pub fn handler(op: &str, opset: i64) -> Option<Handler> {
    let (_, versions) = COMPUTE.iter().chain(MOVE).find(|(name, _)| *name == op)?;
    versions.iter().rev().find(|(since, _)| *since <= opset).map(|(_, handler)| *handler)
}

/// Names of all operators that can be imported, each with the opset version that it is known from.
pub fn operators() -> impl Iterator<Item = (&'static str, i64)> {
    COMPUTE.iter().chain(MOVE).filter_map(|(name, versions)| Some((*name, versions.first()?.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted() {
        for table in [COMPUTE, MOVE] {
            assert!(table.windows(2).all(|w| w[0].0 < w[1].0));
            assert!(table.iter().all(|(_, versions)| versions.windows(2).all(|w| w[0].0 < w[1].0)));
        }
    }
}
