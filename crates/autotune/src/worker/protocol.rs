//! What a worker is asked and what it answers: one JSON object a line each.
//!
//! ```text
//! > {"compile":{"layer":"matmul 1x8 8x16","input":"plain","output":"plain","candidate":"gemm(mr=1, nv=1)",
//!    "isa":"x86-64-v3","backend":"llvm","threads":1,"file":"/dev/shm/x/1.cnna"}}
//! < {"compiled":{"code":"7c1f..","code_bytes":812,"workspace":0,"packed":512,"error":4e-7,"seconds":1e-8,"spent":{..}}}
//! > {"measure":{"layer":"matmul 1x8 8x16","candidate":"gemm(mr=1, nv=1)","file":"/dev/shm/x/1.cnna","incumbent":null,
//!    "threads":1,"seconds":0.05,"stop_above":1.5,"max_error":1e-4}}
//! < {"measured":{"error":2e-7,"wrong":false,"stopped":false,"samples":{"warm":[..],"cold":[..],"incumbent":[]},
//!    "spent":{..}}}
//! < {"failed":{"out_of_memory":false,"what":"layer: gemm(mr=99) is not legal here: .."}}
//! ```

use crate::Samples;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Compile a candidate.
    Compile(Compile),
    /// Check and time a compiled candidate.
    Measure(Measure),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It compiled.
    Compiled(Compiled),
    /// It ran.
    Measured(Measured),
    /// It could not be done; the worker is ready for the next request.
    Failed(Failure),
}

/// Compile a candidate into an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compile {
    /// The layer, a line of a list of shapes.
    pub layer: String,
    /// Layout of the first operand: `plain`, `c16`.
    pub input: String,
    /// Layout of the result.
    pub output: String,
    /// The candidate: `direct(mr=14, nv=2)`.
    pub candidate: String,
    /// Instruction set: `x86-64-v4`.
    pub isa: String,
    /// Code generator, with its version or without: `llvm`, `llvm 19.1.7`.
    pub backend: String,
    /// Threads that the layer is cut for.
    pub threads: usize,
    /// Where the artifact goes.
    pub file: PathBuf,
}

/// A compiled candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compiled {
    /// Hash of the machine code and of how it is called, in hex; names and weights are left out.
    pub code: String,
    /// Bytes of machine code, conversions around the layer counted.
    pub code_bytes: u64,
    /// Bytes of the layer's workspace, all threads.
    pub workspace: u64,
    /// Bytes of constants as packed.
    pub packed: u64,
    /// The error that the algorithm declares; `f64::MAX` where it declares none that is finite.
    pub error: f64,
    /// Estimated seconds.
    pub seconds: f64,
    /// Where the time went.
    pub spent: CompileSpent,
}

/// Seconds that a compilation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompileSpent {
    /// The layer's contents, if it is new, and weights that were not packed like that before.
    pub prepare: f64,
    /// To kernels.
    pub lower: f64,
    /// To machine code.
    pub emit: f64,
    /// Into the file.
    pub write: f64,
}

/// Check a compiled candidate against exact sums and, if it is right, time it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The layer, as it was compiled.
    pub layer: String,
    /// The candidate, to tell of.
    pub candidate: String,
    /// Its artifact.
    pub file: PathBuf,
    /// The artifact of the best candidate so far, which takes turns with it.
    pub incumbent: Option<PathBuf>,
    /// Threads to run it on.
    pub threads: usize,
    /// Seconds of timing, the incumbent's turns counted.
    pub seconds: f64,
    /// It is given up as soon as it is clear that it takes more than so many times as long as the incumbent.
    pub stop_above: Option<f64>,
    /// It is wrong where its error is larger.
    pub max_error: f64,
}

/// A candidate that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Largest distance from exact sums, relative to the largest element; `f64::MAX` where it is not finite.
    pub error: f64,
    /// Whether that is more than allowed; it was not timed then.
    pub wrong: bool,
    /// Whether it was given up.
    pub stopped: bool,
    /// Times.
    pub samples: Samples,
    /// Where the time went.
    pub spent: MeasureSpent,
}

/// Seconds that a measurement took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasureSpent {
    /// Contents and exact results, if the layer is new, and loading.
    pub load: f64,
    /// The first run, and the comparison.
    pub check: f64,
    /// Timing.
    pub timing: f64,
}

/// Why a request could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether memory could not be had.
    pub out_of_memory: bool,
    /// What went wrong.
    pub what: String,
}
