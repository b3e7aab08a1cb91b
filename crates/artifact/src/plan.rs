//! The plan: what the runtime executes. No IR and no operator appears here, only kernel calls over memory.

use cnnc_tensor::{DType, element_count};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A network's input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    /// Name in the model.
    pub name: String,
    /// Element type, by [`DType::name`].
    pub dtype: String,
    /// Dims; plain layout.
    pub dims: Vec<usize>,
    /// For an output whose valid part of axis 0 depends on data: where its i64 extent stands after a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<Place>,
}

impl Io {
    /// The element type.
    pub fn dtype(&self) -> Option<DType> {
        DType::from_name(&self.dtype)
    }

    /// Bytes of the buffer; `None` where the element type is unknown or the size overflows.
    pub fn bytes(&self) -> Option<u64> {
        let count = element_count(&self.dims)?.checked_mul(self.dtype()?.size())?;
        (count <= isize::MAX as usize / 2).then_some(count as u64)
    }
}

/// `data: f32[1,3,224,224]`.
impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        write!(f, "{}: {}[{}]", self.name, self.dtype, dims.join(","))
    }
}

/// A place in memory: byte offset in one of a session's areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// In the session's arena.
    #[serde(rename = "a")]
    Arena(u64),
    /// In the constants (packed weights), read only.
    #[serde(rename = "c")]
    Constant(u64),
    /// In the k-th input's buffer, read only.
    #[serde(rename = "i")]
    Input(u32, u64),
    /// In the k-th output's buffer.
    #[serde(rename = "o")]
    Output(u32, u64),
}

/// One kernel call over its whole parallel extent; steps run in order, with a barrier between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Index into [`Plan::layers`].
    pub layer: u32,
    /// Index into [`Plan::entries`].
    pub kernel: u32,
    /// Iterations of the kernel's parallel loop.
    pub extent: u64,
    /// Where its buffers are, and how many bytes of each it may touch.
    pub args: Vec<(Place, u64)>,
}

/// A layer, for profile, inspect and errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the ONNX node or nodes.
    pub name: String,
    /// Graph operator.
    pub op: String,
    /// The candidate, printed: `direct(mr=14, nv=2)`.
    pub candidate: String,
    /// Where the candidate was measured: `lock`, `database`; empty where it was chosen by estimate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chosen_by: String,
    /// Whether it is a generic loop kernel.
    pub generic: bool,
    /// Floating-point operations of the layer as defined.
    pub flops: f64,
    /// Result type of the first output, printed: `f32[1,64,56,56]/c16`.
    pub output: String,
    /// Declared error of the candidate on this layer: largest distance from the exact result, relative to its largest
    /// element.
    #[serde(default)]
    pub error: f64,
    /// Bytes of workspace that it takes, all threads together.
    #[serde(default)]
    pub workspace: u64,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The network's inputs, in the model's order. They belong to the plan, since plans of one artifact may be for
    /// different batch or image sizes and put an output's extent at different places.
    #[serde(default)]
    pub inputs: Vec<Io>,
    /// The network's outputs, in the model's order.
    #[serde(default)]
    pub outputs: Vec<Io>,
    /// Layers.
    pub layers: Vec<Layer>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Offset of each kernel's entry point in the code.
    pub entries: Vec<u64>,
    /// Name of each kernel.
    pub kernels: Vec<String>,
    /// Bytes of the arena that a session needs.
    pub arena_bytes: u64,
    /// Bytes of scratch that each thread needs.
    pub scratch_bytes: u64,
    /// The most threads that any step can use.
    pub threads: u32,
    /// The bound that the network was compiled for: largest error of an output, relative to its largest element.
    #[serde(default)]
    pub max_error: f64,
    /// The error that is to be expected by the layers' declared errors.
    #[serde(default)]
    pub expected_error: f64,
}

/// A network for one instruction set.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Variant {
    /// Instruction set, by name: `x86-64-v4`.
    pub isa: String,
    /// Code generator that made it: `llvm 19.1.7`.
    pub backend: String,
    /// Plan.
    pub plan: Plan,
    /// Machine code: position-independent, relocated, no symbol open; 64-byte aligned where loaded.
    pub code: Vec<u8>,
    /// Pieces of the constants area: byte offset (64-byte aligned, ascending) and content.
    pub constants: Vec<(u64, cnnc_tensor::Tensor)>,
}
