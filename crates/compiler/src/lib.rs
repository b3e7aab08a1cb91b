//! The pipeline: a model in, code and a plan for one or several instruction sets out.
//!
//! [`compile`] is the whole way in one function: import, optimize, choose, lower, plan memory, emit. Each stage is a
//! function with a printable result, which `Options::dump` writes to a folder.

mod alone;
mod budget;
mod choices;
mod choose;
mod dump;
mod error;
mod fuse_separable;
mod layout_plan;
mod layouts;
mod memory;
mod options;
mod pipeline;
mod program;
pub mod shapes;
mod storage;

pub use alone::{Packed, Way, alone, alone_packed, ways};
pub use choices::{Choices, MeasuredWay};
pub use choose::{Chosen, choose, choose_with};
pub use error::CompileError;
pub use fuse_separable::fuse_separable;
pub use options::{Bounds, Options, detect_target};
pub use pipeline::{Compiled, compile, compile_chosen, compile_graph, import_and_optimize};
pub use program::{Program, lower};
