//! Lowerings: a graph operator, a candidate and a target in; kernels and the steps that call them out.
//!
//! Every way to compute an operator is an [`Algorithm`] in the list [`ALGORITHMS`]; the choice among them is
//! [`choose`], over their candidates and analytic costs. Adding one is a file and a line in that list.

mod algorithm;
mod algorithms;
pub mod cost;
pub mod expression;
pub mod operand;
pub mod tail;

pub use algorithm::{
    Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Step, Work, candidates, choose,
    find,
};
pub use algorithms::ALGORITHMS;
