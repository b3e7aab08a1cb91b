//! What an algorithm is, what it is given and what it returns.

use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Graph, Node, Op, TensorType};
use cnnc_ir::kernel::Kernel;
use cnnc_tensor::{Target, Tensor};

/// What is to be lowered: one operator with its tail, and the types around it.
#[derive(Clone, Debug)]
pub struct Region<'a> {
    /// Name of the node, for kernel names and errors.
    pub name: &'a str,
    /// The operator.
    pub op: &'a Op,
    /// Types of the operands. Where the algorithm packs an operand, [`Algorithm::lower`] sees the packed type here and
    /// every other function the type before packing.
    pub inputs: Vec<TensorType>,
    /// Contents of the operands that are constants.
    pub constants: Vec<Option<&'a Tensor>>,
    /// Types of the results, with the layouts they are wanted in.
    pub outputs: Vec<TensorType>,
}

impl<'a> Region<'a> {
    /// The region of a node of a graph.
    pub fn of(graph: &'a Graph, node: &'a Node) -> Region<'a> {
        Region {
            name: &node.name,
            op: &node.op,
            inputs: node.inputs.iter().map(|&v| graph.ty(v).clone()).collect(),
            constants: node.inputs.iter().map(|&v| graph.constant(v)).collect(),
            outputs: node.outputs.iter().map(|&v| graph.ty(v).clone()).collect(),
        }
    }
}

/// Why a region has no lowering.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LowerError {
    /// No algorithm takes it.
    #[error("{node}: no algorithm computes {op} on {types}")]
    NoAlgorithm {
        /// Name of the node.
        node: String,
        /// Name of the operator.
        op: &'static str,
        /// The operand types.
        types: String,
    },
    /// The candidate does not fit the region or the target.
    #[error("{node}: {candidate} is not legal here: {why}")]
    Illegal {
        /// Name of the node.
        node: String,
        /// The candidate.
        candidate: String,
        /// Why.
        why: String,
    },
}

/// Whether an algorithm has a register-tiled or vectorised kernel, or is one plain loop nest for a rare operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Written for speed.
    Tuned,
    /// One plain loop kernel; `profile` counts its time apart.
    Generic,
}

/// How many candidates are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breadth {
    /// A handful that are likely to be fast, for a choice by estimate.
    Offered,
    /// All that may be worth a measurement, hundreds; the offered ones among them.
    Space,
}

impl Breadth {
    /// How many of the candidates that there are, the fastest by estimate first, are returned where `offered` are
    /// offered.
    pub fn most(self, offered: usize) -> usize {
        match self {
            Breadth::Offered => offered,
            Breadth::Space => 1000,
        }
    }
}

/// Arithmetic and traffic of a region under a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Work {
    /// Floating-point operations of the region as defined (a multiply-add is two), whatever the algorithm saves.
    pub flops: f64,
    /// Estimated time on the target in seconds, one thread; for several threads, as if each were as busy as the busiest.
    pub seconds: f64,
}

/// One way to compute operators of one kind.
#[derive(Debug)]
pub struct Algorithm {
    /// Name, as in candidates: `direct`.
    pub name: &'static str,
    /// What it does, in one line, for `cnnc list`.
    pub about: &'static str,
    /// What it does to the numbers.
    pub accuracy: Accuracy,
    /// The error that it declares for a candidate: the largest distance from the exact result, relative to the largest
    /// element of it, on inputs as they are after an activation. Infinite values and NaN are not counted.
    pub error: fn(&Region, &Candidate, &Target) -> f64,
    /// How it is counted.
    pub class: Class,
    /// The candidates that are legal for a region on a target, best guess first; none where it does not apply. The
    /// layouts in the region's types are to be taken as they are: an algorithm that does not work in them returns none.
    pub candidates: fn(&Region, &Target, Breadth) -> Vec<Candidate>,
    /// Operands to be packed before the kernels see them: graph operators, folded where the operand is constant.
    pub packings: fn(&Region, &Candidate, &Target) -> Vec<Packing>,
    /// Arithmetic and estimated time.
    pub work: fn(&Region, &Candidate, &Target) -> Work,
    /// Kernels, steps, workspace.
    pub lower: fn(&Region, &Candidate, &Target) -> Result<Lowering, LowerError>,
}

/// A packed operand: a chain of graph operators from the operand as it is to what the kernels read, always plain.
/// Usually Pad, Reshape, Transpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Packing {
    /// Which operand.
    pub input: usize,
    /// One operator after the other, each of one operand.
    pub ops: Vec<Op>,
}

/// What a kernel's buffer is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The k-th operand of the region (packed, where it is packed).
    Input(usize),
    /// The k-th result.
    Output(usize),
    /// The k-th workspace buffer.
    Workspace(usize),
}

/// One call of a kernel over its whole parallel extent. Steps run one after the other, with a barrier between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which kernel of the lowering.
    pub kernel: usize,
    /// What its buffers are bound to: one for each buffer that is not scratch, in order.
    pub operands: Vec<Operand>,
}

/// What an algorithm returns.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Lowering {
    /// Kernels.
    pub kernels: Vec<Kernel>,
    /// Their calls.
    pub steps: Vec<Step>,
    /// Sizes in bytes of the workspace buffers shared by all threads, live across the steps.
    pub workspace: Vec<usize>,
    /// Pairs (operand, result) that may be one memory: each element is read before, or at the same moment as, the
    /// element at the same place is written, by the same iteration. Both kernel buffers are marked `may_alias`.
    pub in_place: Vec<(usize, usize)>,
}

impl Lowering {
    /// Bytes of workspace that it takes on that many threads: the part that they share, and scratch of each.
    pub fn workspace_bytes(&self, threads: usize) -> usize {
        let scratch = self.kernels.iter().map(Kernel::scratch_bytes).max().unwrap_or(0);
        self.workspace.iter().fold(scratch.saturating_mul(threads), |sum, &bytes| sum.saturating_add(bytes))
    }
}

/// Collects kernels and steps.
#[derive(Debug, Default)]
pub struct LoweringBuilder {
    lowering: Lowering,
}

impl LoweringBuilder {
    /// Adds a kernel and its call.
    pub fn call(&mut self, kernel: Kernel, operands: Vec<Operand>) {
        self.lowering.steps.push(Step { kernel: self.lowering.kernels.len(), operands });
        self.lowering.kernels.push(kernel);
    }

    /// Adds a workspace buffer.
    pub fn workspace(&mut self, bytes: usize) -> Operand {
        self.lowering.workspace.push(bytes);
        Operand::Workspace(self.lowering.workspace.len() - 1)
    }

    /// Allows an operand and a result to share memory.
    pub fn in_place(&mut self, input: usize, output: usize) {
        self.lowering.in_place.push((input, output));
    }

    /// The lowering.
    pub fn finish(self) -> Lowering {
        self.lowering
    }
}

/// The candidates of all algorithms for a region, each with its algorithm.
pub fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<(&'static Algorithm, Candidate)> {
    let of = |a: &&'static Algorithm| {
        let algorithm = *a;
        (a.candidates)(region, target, breadth).into_iter().map(move |c| (algorithm, c))
    };
    crate::ALGORITHMS.iter().flat_map(of).collect()
}

/// The candidate of least estimated time.
pub fn choose(region: &Region, target: &Target) -> Result<(&'static Algorithm, Candidate), LowerError> {
    choose_among(region, target, &|_, _| true)
}

/// The candidate of least estimated time among those that are acceptable.
pub fn choose_among(
    region: &Region,
    target: &Target,
    acceptable: &dyn Fn(&Algorithm, &Candidate) -> bool,
) -> Result<(&'static Algorithm, Candidate), LowerError> {
    let mut best: Option<(f64, &'static Algorithm, Candidate)> = None;
    for (algorithm, candidate) in candidates(region, target, Breadth::Offered) {
        let seconds = (algorithm.work)(region, &candidate, target).seconds;
        if best.as_ref().is_none_or(|b| seconds < b.0) && acceptable(algorithm, &candidate) {
            best = Some((seconds, algorithm, candidate));
        }
    }
    best.map(|(_, a, c)| (a, c)).ok_or_else(|| {
        let types: Vec<String> = region
            .inputs
            .iter()
            .chain(&region.outputs)
            .map(|t| format!("{}{:?}/{}", t.dtype, t.dims, t.layout))
            .collect();
        LowerError::NoAlgorithm { node: region.name.into(), op: region.op.name(), types: types.join(", ") }
    })
}

/// The algorithm of that name.
pub fn find(name: &str) -> Option<&'static Algorithm> {
    crate::ALGORITHMS.iter().copied().find(|a| a.name == name)
}
