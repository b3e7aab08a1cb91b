//! Lowerings: a graph operator, a candidate and a target in; kernels and the steps that call them out.
//!
//! Every way to compute an operator is an [`Algorithm`] in the list [`ALGORITHMS`]; the choice among them is
//! [`choose`], over their candidates and analytic costs. Adding one is a file and a line in that list.

mod algorithm;
mod algorithms;
mod arg_reduce;
mod box_copy;
mod broadcast;
mod collapse;
mod concat;
pub mod conv;
pub mod conv_transpose;
mod convert;
mod copy_kernel;
pub mod cost;
mod cum_sum;
pub mod error;
pub mod expression;
mod gather;
mod gather_elements;
mod gather_nd;
mod grid_sample;
mod linear_map;
mod lrn;
mod map;
pub mod math;
pub mod matmul;
mod non_max_suppression;
mod normalize;
pub mod operand;
mod pad;
mod point_product;
mod pool;
mod reduce;
mod reduction;
mod register_transpose;
mod reshape;
mod resize;
mod resize_copy;
mod resize_nearest;
mod row_copy;
mod rows;
mod scalar_sum;
mod scatter_elements;
mod scatter_nd;
mod slice;
mod softmax;
mod straight_line;
mod strassen;
mod strided_copy;
pub mod tail;
pub mod tiled;
mod top_k;
mod transpose;

pub use algorithm::{
    Algorithm, Breadth, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Step, Work, candidates,
    choose, choose_among, find,
};
pub use algorithms::ALGORITHMS;
