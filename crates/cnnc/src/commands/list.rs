//! Arguments of `cnnc list`: what the compiler can do.

use clap::ValueEnum;

/// List operators, passes, algorithms or targets
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to list
    pub what: What,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

/// What to list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum What {
    /// ONNX operators that can be imported, with the opset version that each is known from
    Ops,
    /// Graph passes, in the order they run
    Passes,
    /// Algorithms that operators are lowered by
    Algorithms,
    /// Instruction sets and code generators
    Targets,
}
