//! Checks lowerings of one operator: every candidate is lowered, verified, run on the kernel interpreter and compared
//! with the reference evaluation.
//!
//! Operands are poisoned where nothing may be read (workspaces, results), kernels are run in several parts in reverse
//! order, and every pair that a lowering allows to share memory is run on shared memory too.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

mod alias;
mod random;

use cnnc_ir::graph::{Candidate, Graph, Op, TensorType, eval_op};
use cnnc_ir::kernel::{Role, interpret, verify};
use cnnc_lower::{Algorithm, Breadth, Lowering, Operand, Region, candidates};
use cnnc_tensor::{DType, Isa, Layout, Target, Tensor, compare};
use proptest::prelude::ProptestConfig;

pub use random::Random;

/// Cases of a property: as usual, or as a long run says.
pub fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// The targets that lowerings are checked for: 4, 8 and 16 lanes.
pub fn targets() -> Vec<Target> {
    vec![Target::of(Isa::X86V4), Target::of(Isa::X86V3), Target::of(Isa::X86V2), Target::of(Isa::X86V4).narrow()]
}

/// An operator on tensors, to be checked.
pub struct Case {
    /// The operator.
    pub op: Op,
    /// The operands, in the layouts that they are to have.
    pub inputs: Vec<Tensor>,
    /// Which of them are constants.
    pub constant: Vec<bool>,
    /// Layouts of the results; the others are as inferred.
    pub layouts: Vec<Option<Layout>>,
    /// Largest error relative to the largest element, for float results; 0 asks for equality. Integers must be equal.
    pub tolerance: f64,
    /// What errors are relative to where no element is as large: the size of summands that may cancel.
    pub magnitude: f64,
}

impl Case {
    /// Operands at run time, layouts as inferred, a tolerance for single precision.
    pub fn new(op: Op, inputs: Vec<Tensor>) -> Case {
        let constant = vec![false; inputs.len()];
        Case { op, inputs, constant, layouts: vec![], tolerance: 2e-6, magnitude: 1e-3 }
    }

    /// All operands and results in a blocked layout, but those operands that `plain` names.
    pub fn blocked(mut self, block: usize, plain: &[usize]) -> Case {
        for (k, input) in self.inputs.iter_mut().enumerate() {
            if !plain.contains(&k) {
                *input = input.with_layout(Layout::Blocked(block)).unwrap();
            }
        }
        self.layouts = vec![Some(Layout::Blocked(block)); 2];
        self
    }

    /// The first result in a layout.
    pub fn result_layout(mut self, layout: Layout) -> Case {
        self.layouts = vec![Some(layout)];
        self
    }

    /// These operands are constants.
    pub fn constants(mut self, which: &[usize]) -> Case {
        which.iter().for_each(|&k| self.constant[k] = true);
        self
    }

    /// Another tolerance.
    pub fn tolerance(mut self, tolerance: f64) -> Case {
        self.tolerance = tolerance;
        self
    }

    /// Another magnitude.
    pub fn magnitude(mut self, magnitude: f64) -> Case {
        self.magnitude = magnitude;
        self
    }

    /// Checks every candidate that is offered on a target, of every algorithm; returns what was checked.
    ///
    /// # Panics
    /// Where anything is wrong.
    pub fn check(&self, target: &Target) -> Vec<Candidate> {
        self.check_among(target, Breadth::Offered, &|_| true)
    }

    /// Checks those candidates of a breadth that are wanted; returns them.
    ///
    /// # Panics
    /// Where anything is wrong.
    pub fn check_among(
        &self,
        target: &Target,
        breadth: Breadth,
        wanted: &dyn Fn(&Candidate) -> bool,
    ) -> Vec<Candidate> {
        let plain: Vec<Tensor> = self.inputs.iter().map(|t| t.with_layout(Layout::Plain).unwrap()).collect();
        let expected = eval_op(&self.op, &plain.iter().collect::<Vec<_>>()).unwrap_or_else(|e| panic!("{e}"));
        let graph = self.graph(&expected);
        let (_, node) = graph.nodes().next().unwrap();
        let region = Region::of(&graph, node);
        let mut found = candidates(&region, target, breadth);
        found.retain(|(_, candidate)| wanted(candidate));
        for (algorithm, candidate) in &found {
            let what = format!(
                "{candidate:?} of {} on {:?} -> {:?}, {} lanes of {}",
                self.op.name(),
                region.inputs,
                region.outputs,
                target.lanes,
                target.isa
            );
            let work = (algorithm.work)(&region, candidate, target);
            assert!(work.seconds.is_finite() && work.seconds >= 0.0 && work.flops >= 0.0, "{what}: {work:?}");
            self.check_candidate(&region, algorithm, candidate, target, &expected, &what);
        }
        found.into_iter().map(|(_, c)| c).collect()
    }

    /// [`check`](Case::check) on every target; each must have a candidate.
    ///
    /// # Panics
    /// Where anything is wrong.
    pub fn check_all(&self) {
        for target in targets() {
            let found = self.check(&target);
            assert!(!found.is_empty(), "no algorithm for {:?} on {:?}", self.op, self.inputs);
        }
    }

    fn graph(&self, expected: &[Tensor]) -> Graph {
        let mut graph = Graph::new("test");
        let values: Vec<_> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(k, t)| match self.constant[k] {
                true => graph.add_const(None, t.clone()),
                false => graph.add_input(&format!("x{k}"), TensorType::of(t)),
            })
            .collect();
        let types = (0..expected.len())
            .map(|k| {
                let layout = self.layouts.get(k).copied().flatten().unwrap_or(expected[k].layout());
                TensorType::of(&expected[k]).with_layout(layout)
            })
            .collect();
        graph.add_typed("node", self.op.clone(), &values, types, None);
        graph
    }

    fn check_candidate(
        &self,
        region: &Region,
        algorithm: &Algorithm,
        candidate: &Candidate,
        target: &Target,
        expected: &[Tensor],
        what: &str,
    ) {
        let mut inputs = self.inputs.clone();
        let mut packed = region.clone();
        for packing in (algorithm.packings)(region, candidate, target) {
            let k = packing.input;
            for op in &packing.ops {
                inputs[k] =
                    eval_op(op, &[&inputs[k]]).unwrap_or_else(|e| panic!("{what}: packing {op:?}: {e}"))[0].clone();
            }
            packed.inputs[k] = TensorType::of(&inputs[k]);
            packed.constants[k] = packed.constants[k].map(|_| &self.inputs[k]);
        }
        let constants: Vec<Tensor> = inputs.clone();
        for (k, constant) in packed.constants.iter_mut().enumerate() {
            *constant = constant.map(|_| &constants[k]);
        }
        let lowering = (algorithm.lower)(&packed, candidate, target).unwrap_or_else(|e| panic!("{what}: {e}"));
        check_form(&lowering, &packed, what);
        // Declared for inputs as after an activation; these have both signs.
        let tolerance = self.tolerance.max(2.0 * (algorithm.error)(region, candidate, target));
        let outputs = run(&lowering, &inputs, &region.outputs, what);
        self.compare(&outputs, expected, tolerance, what);
        for &(input, output) in &lowering.in_place {
            if let Some(shared) = alias::shared(&lowering, input, output) {
                let outputs = run(&shared, &inputs, &region.outputs, &format!("{what}, operand {input} in place"));
                self.compare(&outputs, expected, tolerance, &format!("{what}, operand {input} in place"));
            }
        }
    }

    fn compare(&self, outputs: &[Tensor], expected: &[Tensor], tolerance: f64, what: &str) {
        for (k, (got, want)) in outputs.iter().zip(expected).enumerate() {
            let want = want.with_layout(got.layout()).unwrap();
            let difference = compare(got, &want).unwrap_or_else(|| panic!("{what}: result {k} has other dims"));
            let tolerance = if want.dtype().is_float() { tolerance } else { 0.0 };
            let error = difference.max_abs / difference.max_reference.max(self.magnitude);
            let exact = want.dtype().is_float() || *got == want;
            assert!(
                error <= tolerance && exact,
                "{what}: result {k} is off by {} at {}: {} for {}",
                difference.max_abs,
                difference.at,
                got.get(difference.at.min(want.bytes().len() / want.dtype().size() - 1)),
                want.get(difference.at),
            );
        }
    }
}

/// Checks that kernels verify and that steps bind what there is.
fn check_form(lowering: &Lowering, region: &Region, what: &str) {
    for kernel in &lowering.kernels {
        verify(kernel).unwrap_or_else(|e| panic!("{what}: {e}\n{kernel:?}"));
    }
    for step in &lowering.steps {
        let kernel = &lowering.kernels[step.kernel];
        let buffers: Vec<_> = kernel.buffers.iter().filter(|b| b.role != Role::Scratch).collect();
        assert_eq!(buffers.len(), step.operands.len(), "{what}: operands of {}", kernel.name);
        for (buffer, operand) in buffers.iter().zip(&step.operands) {
            let bytes = match *operand {
                Operand::Input(k) => region.inputs[k].bytes(),
                Operand::Output(k) => region.outputs[k].bytes(),
                Operand::Workspace(k) => lowering.workspace[k],
            };
            assert!(buffer.elems * buffer.dtype.size() <= bytes, "{what}: {} of {}", buffer.name, kernel.name);
            assert!(
                buffer.role == Role::Read || !matches!(operand, Operand::Input(_)),
                "{what}: {} of {} writes an operand",
                buffer.name,
                kernel.name
            );
        }
    }
    for &(input, output) in &lowering.in_place {
        let (input, output) = (&region.inputs[input], &region.outputs[output]);
        assert!(input.bytes() >= output.bytes(), "{what}: result in place of a smaller operand");
    }
}

/// Runs the steps on the interpreter and returns the results.
fn run(lowering: &Lowering, inputs: &[Tensor], outputs: &[TensorType], what: &str) -> Vec<Tensor> {
    let bytes_of = |n: usize| vec![0xff_u8; n];
    let mut workspaces: Vec<Vec<u8>> = lowering.workspace.iter().map(|&n| bytes_of(n)).collect();
    let mut results: Vec<Vec<u8>> = outputs.iter().map(|ty| bytes_of(ty.bytes())).collect();
    for &(input, output) in lowering.in_place.iter().filter(|_| alias::is_shared(lowering)) {
        let len = results[output].len();
        results[output].copy_from_slice(&inputs[input].bytes()[..len]);
    }
    for step in &lowering.steps {
        let kernel = &lowering.kernels[step.kernel];
        let bound: Vec<_> = kernel.buffers.iter().filter(|b| b.role != Role::Scratch).zip(&step.operands).collect();
        let mut buffers: Vec<Tensor> = bound
            .iter()
            .map(|(buffer, operand)| {
                let bytes = match **operand {
                    Operand::Input(k) => inputs[k].bytes(),
                    Operand::Output(k) => &results[k],
                    Operand::Workspace(k) => &workspaces[k],
                };
                let bytes = &bytes[..buffer.elems * buffer.dtype.size()];
                Tensor::from_bytes(buffer.dtype, &[buffer.elems], Layout::Plain, bytes).unwrap()
            })
            .collect();
        for part in (0..3).rev() {
            let (begin, end) = (kernel.extent * part / 3, kernel.extent * (part + 1) / 3);
            interpret(kernel, &mut buffers, begin, end).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
        for ((buffer, operand), content) in bound.iter().zip(&buffers) {
            let target = match **operand {
                _ if buffer.role == Role::Read => continue,
                Operand::Input(_) => continue,
                Operand::Output(k) => &mut results[k],
                Operand::Workspace(k) => &mut workspaces[k],
            };
            target[..content.bytes().len()].copy_from_slice(content.bytes());
        }
    }
    results
        .iter()
        .zip(outputs)
        .map(|(bytes, ty)| Tensor::from_bytes(ty.dtype, &ty.dims, ty.layout, bytes).unwrap())
        .collect()
}

/// A plain tensor of small numbers: floats in -2..2, integers from a small range, bools.
pub fn tensor(random: &mut Random, dtype: DType, dims: &[usize]) -> Tensor {
    random.tensor(dtype, dims)
}
