//! Lowerings of one region as machine code: all candidates emitted in one call, each run in one, two and three parts.

use crate::machine::Machine;
use cnnc_codegen::{Backend, emit};
use cnnc_ir::graph::{Candidate, Graph, Op, TensorType, eval_op};
use cnnc_ir::kernel::{Kernel, Role};
use cnnc_lower::{Algorithm, Breadth, Lowering, Operand, Region, candidates};
use cnnc_tensor::{AlignedBytes, Layout, Target, Tensor};

/// A candidate with its lowering.
pub struct Lowered {
    pub algorithm: &'static Algorithm,
    pub candidate: Candidate,
    /// The error that it declares.
    pub declared: f64,
    inputs: Vec<Tensor>,
    result: TensorType,
    lowering: Lowering,
    /// Number of its first kernel.
    first: usize,
}

/// A convolution to be lowered: the operator, its operands in plain layout, the result's dims.
pub struct Convolution<'a> {
    pub op: Op,
    pub operands: &'a [Tensor],
    pub result: Vec<usize>,
}

impl Convolution<'_> {
    /// The candidates in every pair of layouts, at most so many of each algorithm, with the code of all. `pick` chooses one
    /// of so many.
    pub fn lower_all(
        &self,
        target: &Target,
        backend: Backend,
        most: usize,
        pick: &mut dyn FnMut(usize) -> usize,
    ) -> (Vec<Lowered>, Machine) {
        let blocked = Layout::Blocked(target.lanes);
        let fixed = self.op.tail().map_or(0, |(_, fixed)| fixed);
        let mut all = vec![];
        let mut kernels: Vec<Kernel> = vec![];
        for (of_x, of_result) in [(blocked, blocked), (Layout::Plain, blocked), (Layout::Plain, Layout::Plain)] {
            let mut inputs = self.operands.to_vec();
            for (k, input) in inputs.iter_mut().enumerate() {
                // The weights and one value per channel stay plain.
                let layout = if k == 0 { of_x } else { of_result };
                if k == 0 || (k >= fixed && input.dims() == self.result) {
                    *input = input.with_layout(layout).unwrap();
                }
            }
            let mut graph = Graph::new("convolution");
            let values: Vec<_> = (inputs.iter().enumerate())
                .map(|(k, t)| match k {
                    1 => graph.add_const(None, t.clone()),
                    _ => graph.add_input(&k.to_string(), TensorType::of(t)),
                })
                .collect();
            let ty = TensorType::plain(inputs[0].dtype(), &self.result).with_layout(of_result);
            graph.add_typed("node", self.op.clone(), &values, vec![ty.clone()], None);
            let (_, node) = graph.nodes().next().unwrap();
            let region = Region::of(&graph, node);
            for (algorithm, candidate) in sampled(candidates(&region, target, Breadth::Space), most, pick) {
                let lowered = lower_one(&region, &inputs, algorithm, candidate, target, kernels.len());
                kernels.extend(lowered.lowering.kernels.iter().cloned());
                all.push(Lowered { result: ty.clone(), ..lowered });
            }
        }
        for (number, kernel) in kernels.iter_mut().enumerate() {
            kernel.name = format!("k{number}");
        }
        let code = emit(&kernels, target, backend).unwrap_or_else(|e| panic!("{e}"));
        (all, Machine::load(&code))
    }
}

/// At most so many candidates of each algorithm.
fn sampled(
    mut all: Vec<(&'static Algorithm, Candidate)>,
    most: usize,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Vec<(&'static Algorithm, Candidate)> {
    let mut taken: Vec<(&'static Algorithm, Candidate)> = vec![];
    while !all.is_empty() {
        let one = all.swap_remove(pick(all.len()));
        if taken.iter().filter(|t| t.0.name == one.0.name).count() < most {
            taken.push(one);
        }
    }
    taken
}

fn lower_one(
    region: &Region,
    inputs: &[Tensor],
    algorithm: &'static Algorithm,
    candidate: Candidate,
    target: &Target,
    first: usize,
) -> Lowered {
    let declared = (algorithm.error)(region, &candidate, target);
    let mut inputs = inputs.to_vec();
    for packing in (algorithm.packings)(region, &candidate, target) {
        for op in &packing.ops {
            inputs[packing.input] = eval_op(op, &[&inputs[packing.input]]).unwrap().swap_remove(0);
        }
    }
    let mut packed = region.clone();
    packed.inputs = inputs.iter().map(TensorType::of).collect();
    packed.constants = region.constants.iter().zip(&inputs).map(|(c, t)| c.map(|_| t)).collect();
    let lowering = (algorithm.lower)(&packed, &candidate, target).unwrap_or_else(|e| panic!("{candidate}: {e}"));
    drop(packed);
    let result = region.outputs[0].clone();
    Lowered { algorithm, candidate, declared, inputs, result, lowering, first }
}

impl Lowered {
    /// Runs the machine code with each parallel loop cut into so many parts, the last part first; returns the result in
    /// plain layout.
    pub fn run(&self, machine: &Machine, parts: usize) -> Tensor {
        let filled = |bytes: usize| {
            let mut area = AlignedBytes::zeroed(bytes);
            area.fill(0xff);
            area
        };
        let mut inputs: Vec<Tensor> = self.inputs.clone();
        let mut output = filled(self.result.bytes());
        let mut workspaces: Vec<AlignedBytes> = self.lowering.workspace.iter().map(|&n| filled(n)).collect();
        for step in &self.lowering.steps {
            let kernel = &self.lowering.kernels[step.kernel];
            let buffers = kernel.buffers.iter().filter(|b| b.role != Role::Scratch);
            let mut pointers: Vec<*mut u8> = vec![];
            for (buffer, operand) in buffers.zip(&step.operands) {
                let bytes = match *operand {
                    Operand::Input(k) => inputs[k].bytes_mut(),
                    Operand::Output(_) => &mut output[..],
                    Operand::Workspace(k) => &mut workspaces[k][..],
                };
                assert!(buffer.elems * buffer.dtype.size() <= bytes.len(), "{}: {}", self.candidate, buffer.name);
                pointers.push(bytes.as_mut_ptr());
            }
            for part in (0..parts).rev() {
                let (begin, end) = (kernel.extent * part / parts, kernel.extent * (part + 1) / parts);
                let mut scratch = filled(kernel.scratch_bytes());
                if begin < end {
                    // SAFETY: the code is for this machine, and every buffer as long as the kernel says.
                    unsafe { machine.call(self.first + step.kernel, &pointers, begin, end, scratch.as_mut_ptr()) };
                }
            }
        }
        let bytes = &output[..self.result.bytes()];
        let result = Tensor::from_bytes(self.result.dtype, &self.result.dims, self.result.layout, bytes).unwrap();
        result.with_layout(Layout::Plain).unwrap()
    }
}
