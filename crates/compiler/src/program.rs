//! Lowering of a whole graph: kernels, their calls in order, and where every buffer lies.

use crate::CompileError;
use crate::budget::network_error;
use crate::memory::{ALIGNMENT, Interval, assign_offsets};
use crate::storage::{Kind, Storages, View, is_view};
use cnnc_artifact::{Io, Layer, Place, Plan, Step};
use cnnc_ir::graph::{Graph, Node, NodeId, Op, TensorType, ValueId};
use cnnc_ir::kernel::{Kernel, Role};
use cnnc_lower::{Class, Lowering, Operand, Region};
use cnnc_tensor::{Target, Tensor};
use std::collections::HashMap;
use std::fmt;

/// A call of a kernel, its buffers as views.
#[derive(Clone, Debug)]
struct Call {
    layer: usize,
    kernel: usize,
    views: Vec<View>,
}

/// A lowered graph.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The distinct kernels.
    pub kernels: Vec<Kernel>,
    /// The plan; its `entries` are filled in by code generation.
    pub plan: Plan,
    /// The constants that the plan reads, with their offsets.
    pub constants: Vec<(u64, Tensor)>,
}

/// Lowers a graph whose nodes are chosen.
pub fn lower(graph: &Graph, target: &Target) -> Result<Program, CompileError> {
    let mut lowerer = Lowerer {
        graph,
        target,
        storages: Storages::new(graph),
        program: Program::default(),
        calls: vec![],
        kernel_index: HashMap::new(),
    };
    for (id, node) in graph.nodes() {
        lowerer.node(id, node)?;
    }
    lowerer.outputs()?;
    lowerer.finish()
}

struct Lowerer<'a> {
    graph: &'a Graph,
    target: &'a Target,
    storages: Storages<'a>,
    program: Program,
    calls: Vec<Call>,
    /// Kernels by content, their names left out.
    kernel_index: HashMap<Kernel, usize>,
}

impl Lowerer<'_> {
    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), CompileError> {
        if is_view(self.graph, node) {
            let view = self.view(node.inputs[0])?;
            self.storages.define_view(node.outputs[0], view);
            return Ok(());
        }
        let placed = |storages: &Storages, v: &ValueId| storages.is_placed(*v, node.outputs[0]);
        if matches!(node.op, Op::Concat { .. }) && node.inputs.iter().any(|v| placed(&self.storages, v)) {
            return self.concat_in_place(id, node);
        }
        let region = Region::of(self.graph, node);
        let candidate = node.candidate.as_ref().ok_or_else(|| internal(format!("{} has no candidate", node.name)))?;
        let algorithm = cnnc_lower::find(&candidate.algorithm)
            .ok_or_else(|| internal(format!("{}: no algorithm {}", node.name, candidate.algorithm)))?;
        let lowering = (algorithm.lower)(&region, candidate, self.target)?;
        let layer = self.program.plan.layers.len();
        self.program.plan.layers.push(Layer {
            name: node.name.clone(),
            op: node.op.name().to_string(),
            candidate: candidate.to_string(),
            chosen_by: String::new(),
            generic: algorithm.class == Class::Generic,
            flops: (algorithm.work)(&region, candidate, self.target).flops,
            output: self.graph.ty(node.outputs[0]).to_string(),
            // Finite, since JSON has no other numbers.
            error: (algorithm.error)(&region, candidate, self.target).min(f64::MAX),
            workspace: lowering.workspace_bytes(self.target.threads) as u64,
        });
        for &(input, output) in &lowering.in_place {
            if self.storages.define_in_place(node, id, input, output) {
                break;
            }
        }
        for &output in &node.outputs {
            self.storages.define(output, id.0 as usize);
        }
        let inputs = node.inputs.iter().map(|&v| self.view(v)).collect::<Result<Vec<_>, _>>()?;
        let outputs = node.outputs.iter().map(|&v| self.view(v)).collect::<Result<Vec<_>, _>>()?;
        self.calls(layer, lowering, &inputs, &outputs, id.0 as usize, &node.name)
    }

    /// A concatenation some of whose operands are in place already: the others are copied.
    fn concat_in_place(&mut self, id: NodeId, node: &Node) -> Result<(), CompileError> {
        let result = self.storages.define(node.outputs[0], id.0 as usize);
        let mut offset = result.offset;
        for &v in &node.inputs {
            if !self.storages.is_placed(v, node.outputs[0]) {
                let to = View { storage: result.storage, offset };
                self.copy(v, to, &node.name, id.0 as usize)?;
            }
            offset += self.graph.ty(v).bytes() as u64;
        }
        Ok(())
    }

    /// A copy of a value's bytes.
    fn copy(&mut self, value: ValueId, to: View, name: &str, at: usize) -> Result<(), CompileError> {
        let ty = self.graph.ty(value);
        let flat = TensorType::plain(ty.dtype, &[ty.bytes() / ty.dtype.size()]);
        let op = Op::Reshape { dims: flat.dims.clone() };
        let region =
            Region { name, op: &op, inputs: vec![flat.clone()], constants: vec![None], outputs: vec![flat.clone()] };
        let (algorithm, candidate) = cnnc_lower::choose(&region, self.target)?;
        let lowering = (algorithm.lower)(&region, &candidate, self.target)?;
        let layer = self.program.plan.layers.len();
        self.program.plan.layers.push(Layer {
            name: name.to_string(),
            op: "copy".into(),
            candidate: candidate.to_string(),
            chosen_by: String::new(),
            generic: algorithm.class == Class::Generic,
            flops: 0.0,
            output: ty.to_string(),
            error: 0.0,
            workspace: lowering.workspace_bytes(self.target.threads) as u64,
        });
        let from = self.view(value)?;
        self.calls(layer, lowering, &[from], &[to], at, name)
    }

    fn calls(
        &mut self,
        layer: usize,
        lowering: Lowering,
        inputs: &[View],
        outputs: &[View],
        at: usize,
        name: &str,
    ) -> Result<(), CompileError> {
        let workspace: Vec<View> =
            lowering.workspace.iter().map(|&bytes| self.storages.add_workspace(bytes as u64, at)).collect();
        let kernels: Vec<usize> = lowering.kernels.into_iter().map(|kernel| self.kernel(kernel)).collect();
        for step in lowering.steps {
            let view = |operand: &Operand| match *operand {
                Operand::Input(k) => inputs.get(k),
                Operand::Output(k) => outputs.get(k),
                Operand::Workspace(k) => workspace.get(k),
            };
            let views = step.operands.iter().map(|o| view(o).copied()).collect::<Option<Vec<View>>>();
            let (Some(views), Some(&kernel)) = (views, kernels.get(step.kernel)) else {
                return Err(internal(format!("{name}: a step names what is not there")));
            };
            self.calls.push(Call { layer, kernel, views });
        }
        Ok(())
    }

    fn kernel(&mut self, kernel: Kernel) -> usize {
        let name = kernel.name.clone();
        let anonymous = Kernel { name: String::new(), ..kernel };
        let next = self.program.kernels.len();
        let index = *self.kernel_index.entry(anonymous.clone()).or_insert(next);
        if index == next {
            self.program.kernels.push(Kernel { name: format!("k{next}_{name}"), ..anonymous });
        }
        index
    }

    fn view(&mut self, value: ValueId) -> Result<View, CompileError> {
        self.storages.view(value).ok_or_else(|| internal(format!("value {value:?} is used before it is made")))
    }

    /// Puts every graph output into its buffer, by a copy where it cannot be computed there.
    fn outputs(&mut self) -> Result<(), CompileError> {
        let end = self.graph.nodes().count();
        for (k, output) in self.graph.outputs.iter().enumerate() {
            self.view(output.value)?;
            if !self.storages.make_output(k, output.value) {
                let bytes = self.graph.ty(output.value).bytes() as u64;
                let to = self.storages.add_workspace(bytes, end);
                self.storages.list[to.storage].kind = Kind::Output(k);
                self.copy(output.value, to, &output.name, end)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Program, CompileError> {
        let places = self.places();
        for call in &self.calls {
            let kernel = &self.program.kernels[call.kernel];
            let buffers = kernel.buffers.iter().filter(|b| b.role != Role::Scratch);
            let mut args = Vec::with_capacity(call.views.len());
            for (buffer, view) in buffers.clone().zip(&call.views) {
                let bytes = (buffer.elems * buffer.dtype.size()) as u64;
                let storage = &self.storages.list[view.storage];
                if view.offset + bytes > storage.bytes {
                    let layer = &self.program.plan.layers[call.layer];
                    return Err(internal(format!(
                        "{} ({}): buffer {} of {bytes} bytes in a storage of {} at {}",
                        layer.name, layer.candidate, buffer.name, storage.bytes, view.offset
                    )));
                }
                args.push((shifted(places[view.storage], view.offset), bytes));
            }
            if buffers.count() != call.views.len() {
                return Err(internal(format!("kernel {} is called with {} buffers", kernel.name, call.views.len())));
            }
            if kernel.extent > 0 {
                let (layer, index) = (call.layer as u32, call.kernel as u32);
                self.program.plan.steps.push(Step { layer, kernel: index, extent: kernel.extent as u64, args });
            }
        }
        let io = |name: &str, ty: &TensorType, extent: Option<Place>| Io {
            name: name.to_string(),
            dtype: ty.dtype.name().to_string(),
            dims: ty.dims.clone(),
            extent,
        };
        for &input in self.graph.inputs() {
            let value = self.graph.value(input);
            self.program.plan.inputs.push(io(value.name.as_deref().unwrap_or(""), &value.ty, None));
        }
        for output in &self.graph.outputs {
            let extent = match output.extent {
                Some(v) => {
                    let view = self.storages.view(v).ok_or_else(|| internal("extent without a place".into()))?;
                    Some(shifted(places[view.storage], view.offset))
                }
                None => None,
            };
            self.program.plan.outputs.push(io(&output.name, self.graph.ty(output.value), extent));
        }
        let plan = &mut self.program.plan;
        plan.kernels = self.program.kernels.iter().map(|k| k.name.clone()).collect();
        plan.scratch_bytes = self.program.kernels.iter().map(|k| k.scratch_bytes() as u64).max().unwrap_or(0);
        plan.threads = self.target.threads as u32;
        plan.expected_error = network_error(plan.layers.iter().map(|layer| layer.error));
        Ok(self.program)
    }

    /// The place of every storage; fills in the arena's size and the constants.
    fn places(&mut self) -> Vec<Place> {
        let list = &self.storages.list;
        let arena: Vec<usize> = (0..list.len()).filter(|&k| list[k].kind == Kind::Arena).collect();
        let intervals: Vec<Interval> = arena
            .iter()
            .map(|&k| Interval { bytes: list[k].bytes, first: list[k].first, last: list[k].last })
            .collect();
        let (offsets, total) = assign_offsets(&intervals);
        self.program.plan.arena_bytes = total;
        let mut places: Vec<Place> = list
            .iter()
            .map(|storage| match storage.kind {
                Kind::Input(k) => Place::Input(k as u32, 0),
                Kind::Output(k) => Place::Output(k as u32, 0),
                Kind::Arena | Kind::Constant(_) => Place::Arena(0),
            })
            .collect();
        for (&k, offset) in arena.iter().zip(offsets) {
            places[k] = Place::Arena(offset);
        }
        let mut next = 0;
        let mut known: HashMap<u128, u64> = HashMap::new();
        for (storage, place) in list.iter().zip(&mut places) {
            let Kind::Constant(value) = storage.kind else { continue };
            let Some(tensor) = self.graph.constant(value) else { continue };
            let offset = *known.entry(tensor.content_hash()).or_insert(next);
            if offset == next {
                self.program.constants.push((offset, tensor.clone()));
                next += (tensor.bytes().len().max(1) as u64).next_multiple_of(ALIGNMENT);
            }
            *place = Place::Constant(offset);
        }
        places
    }
}

fn shifted(place: Place, by: u64) -> Place {
    match place {
        Place::Arena(at) => Place::Arena(at + by),
        Place::Constant(at) => Place::Constant(at + by),
        Place::Input(k, at) => Place::Input(k, at + by),
        Place::Output(k, at) => Place::Output(k, at + by),
    }
}

fn internal(what: String) -> CompileError {
    CompileError::Internal { stage: "lower".into(), what }
}

/// The kernels, then the calls.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kernel in &self.kernels {
            writeln!(f, "{kernel}")?;
        }
        writeln!(f, "; arena {} bytes, scratch {} bytes a thread", self.plan.arena_bytes, self.plan.scratch_bytes)?;
        for step in &self.plan.steps {
            let layer = &self.plan.layers[step.layer as usize];
            let kernel = &self.plan.kernels[step.kernel as usize];
            writeln!(f, "; {kernel} x {} {:?} ; {} {}", step.extent, step.args, layer.name, layer.candidate)?;
        }
        Ok(())
    }
}
