//! Choice: layout and candidate of every node, by least estimated time, conversions included.
//!
//! Greedy in topological order: each node takes the layouts and the candidate that are cheapest given the layouts its
//! operands already have. Conversions are inserted where they are needed and shared by all users; constants are
//! converted and packed at once. After it every node but reshapes has a candidate, and graph outputs are plain.

use crate::CompileError;
use crate::layouts::{LayoutOption, layout_options};
use cnnc_ir::graph::{Candidate, Def, Graph, Node, Op, Output, TensorType, ValueId, eval_op};
use cnnc_lower::{Algorithm, LowerError, Packing, Region, cost};
use cnnc_tensor::{Layout, Target, Tensor};
use std::collections::HashMap;

/// Share of the bandwidth at which a conversion, which transposes, reads and writes.
const CONVERSION_SHARE: f64 = 0.5;

/// The graph with a candidate on every node, layouts settled and weights packed.
pub fn choose(graph: &Graph, target: &Target) -> Result<Graph, CompileError> {
    let mut chooser =
        Chooser { old: graph, new: Graph::new(&graph.name), target, versions: HashMap::new(), packed: HashMap::new() };
    for &input in graph.inputs() {
        let value = graph.value(input);
        let id = chooser.new.add_input(value.name.as_deref().unwrap_or(""), value.ty.clone());
        chooser.versions.insert((input, value.ty.layout), id);
    }
    for (_, node) in graph.nodes() {
        chooser.node(node)?;
    }
    for output in &graph.outputs {
        let value = chooser.version(output.value, Layout::Plain)?;
        let extent = output.extent.map(|v| chooser.version(v, Layout::Plain)).transpose()?;
        chooser.new.outputs.push(Output { name: output.name.clone(), value, extent });
    }
    Ok(chooser.new.without_dead())
}

struct Chooser<'a> {
    old: &'a Graph,
    new: Graph,
    target: &'a Target,
    /// New values by old value and layout.
    versions: HashMap<(ValueId, Layout), ValueId>,
    /// Packed constants by new value and packing.
    packed: HashMap<(ValueId, Vec<Op>), ValueId>,
}

struct Choice {
    seconds: f64,
    option: LayoutOption,
    algorithm: &'static Algorithm,
    candidate: Candidate,
}

impl Chooser<'_> {
    fn node(&mut self, node: &Node) -> Result<(), CompileError> {
        if let Op::Reshape { .. } = node.op {
            return self.reshape(node);
        }
        let types: Vec<&TensorType> = node.inputs.iter().map(|&v| self.old.ty(v)).collect();
        let options = layout_options(&node.op, &types, self.old.ty(node.outputs[0]), self.target.lanes);
        let mut best: Option<Choice> = None;
        let mut failure = None;
        for option in options {
            let region = self.region(node, &option);
            match cnnc_lower::choose(&region, self.target) {
                Ok((algorithm, candidate)) => {
                    let work = (algorithm.work)(&region, &candidate, self.target).seconds;
                    let seconds = work + self.conversion_seconds(node, &option);
                    if best.as_ref().is_none_or(|b| seconds < b.seconds) {
                        best = Some(Choice { seconds, option, algorithm, candidate });
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match (best, failure) {
            (Some(choice), _) => self.apply(node, choice),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(LowerError::NoAlgorithm {
                node: node.name.clone(),
                op: node.op.name(),
                types: "its operands".into(),
            }
            .into()),
        }
    }

    /// A reshape is a view of a plain value.
    fn reshape(&mut self, node: &Node) -> Result<(), CompileError> {
        let input = self.version(node.inputs[0], Layout::Plain)?;
        let ty = self.old.ty(node.outputs[0]).clone();
        let output = self.new.add_typed(&node.name, node.op.clone(), &[input], vec![ty], None)[0];
        self.define(node.outputs[0], Layout::Plain, output);
        Ok(())
    }

    /// The node as an option sees it.
    fn region<'b>(&'b self, node: &'b Node, option: &LayoutOption) -> Region<'b> {
        let input = |(&v, &layout): (&ValueId, &Option<Layout>)| {
            let layout = layout.unwrap_or_else(|| self.present_layout(v));
            self.old.ty(v).with_layout(layout)
        };
        Region {
            name: &node.name,
            op: &node.op,
            inputs: node.inputs.iter().zip(&option.inputs).map(input).collect(),
            constants: node.inputs.iter().map(|&v| self.old.constant(v)).collect(),
            outputs: node.outputs.iter().map(|&v| self.old.ty(v).with_layout(option.output)).collect(),
        }
    }

    /// A layout that a value has already: plain if it has that.
    fn present_layout(&self, old: ValueId) -> Layout {
        let blocked = Layout::Blocked(self.target.lanes);
        let only_blocked =
            !self.versions.contains_key(&(old, Layout::Plain)) && self.versions.contains_key(&(old, blocked));
        if only_blocked { blocked } else { Layout::Plain }
    }

    fn conversion_seconds(&self, node: &Node, option: &LayoutOption) -> f64 {
        let seconds = |(&v, &layout): (&ValueId, &Option<Layout>)| {
            let Some(layout) = layout else { return 0.0 };
            if self.old.constant(v).is_some() || self.versions.contains_key(&(v, layout)) {
                return 0.0;
            }
            let bytes = 2.0 * self.old.ty(v).bytes() as f64;
            cost::CALL_SECONDS + bytes / (CONVERSION_SHARE * cost::bandwidth(self.target, bytes))
        };
        node.inputs.iter().zip(&option.inputs).map(seconds).sum()
    }

    fn apply(&mut self, node: &Node, choice: Choice) -> Result<(), CompileError> {
        let packings = {
            let region = self.region(node, &choice.option);
            (choice.algorithm.packings)(&region, &choice.candidate, self.target)
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for (&old, layout) in node.inputs.iter().zip(&choice.option.inputs) {
            let layout = layout.unwrap_or_else(|| self.present_layout(old));
            inputs.push(self.version(old, layout)?);
        }
        for packing in packings {
            let input = packing.input;
            inputs[input] = self.pack(&node.name, inputs[input], packing)?;
        }
        let types = node.outputs.iter().map(|&v| self.old.ty(v).with_layout(choice.option.output)).collect();
        let outputs = self.new.add_typed(&node.name, node.op.clone(), &inputs, types, Some(choice.candidate));
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.define(old, choice.option.output, new);
        }
        Ok(())
    }

    fn define(&mut self, old: ValueId, layout: Layout, new: ValueId) {
        if let Some(name) = &self.old.value(old).name {
            self.new.set_name(new, name);
        }
        self.versions.insert((old, layout), new);
    }

    /// The new value for an old one in a layout, converted where it is not there yet.
    fn version(&mut self, old: ValueId, layout: Layout) -> Result<ValueId, CompileError> {
        if let Some(&id) = self.versions.get(&(old, layout)) {
            return Ok(id);
        }
        let value = self.old.value(old);
        let name = value.name.clone();
        let new = match &value.def {
            Def::Const(tensor) | Def::Param(tensor) => {
                let tensor = tensor.with_layout(layout).map_err(|e| internal(e.to_string()))?;
                self.new.add_const(name.as_deref(), tensor)
            }
            _ => {
                let present = self.present_layout(old);
                let from = *self
                    .versions
                    .get(&(old, present))
                    .ok_or_else(|| internal(format!("value {name:?} used before it is made")))?;
                let label = format!("{} to {layout}", name.as_deref().unwrap_or("value"));
                self.add_chosen(&label, Op::Convert { layout }, from)?
            }
        };
        self.versions.insert((old, layout), new);
        Ok(new)
    }

    /// Applies a packing: folded for a constant, nodes otherwise.
    fn pack(&mut self, name: &str, value: ValueId, packing: Packing) -> Result<ValueId, CompileError> {
        let key = (value, packing.ops);
        if let Some(&done) = self.packed.get(&key) {
            return Ok(done);
        }
        let packed = match self.new.constant(value).cloned() {
            Some(tensor) => {
                let packed = fold_chain(name, tensor, &key.1)?;
                let label = self.new.value(value).name.clone();
                self.new.add_const(label.as_deref(), packed)
            }
            None => {
                let mut at = value;
                for op in &key.1 {
                    at = self.add_chosen(&format!("{name} pack"), op.clone(), at)?;
                }
                at
            }
        };
        self.packed.insert(key, packed);
        Ok(packed)
    }

    /// Adds a node of one operand that the choice itself needs, with its candidate.
    fn add_chosen(&mut self, name: &str, op: Op, input: ValueId) -> Result<ValueId, CompileError> {
        let types = cnnc_ir::graph::infer(&op, &[self.new.ty(input)]).map_err(|e| CompileError::infer(name, e))?;
        let candidate = match op {
            Op::Reshape { .. } => None,
            _ => {
                let region = Region {
                    name,
                    op: &op,
                    inputs: vec![self.new.ty(input).clone()],
                    constants: vec![None],
                    outputs: types.clone(),
                };
                Some(cnnc_lower::choose(&region, self.target)?.1)
            }
        };
        Ok(self.new.add_typed(name, op, &[input], types, candidate)[0])
    }
}

/// A tensor after a chain of operators of one operand.
pub(crate) fn fold_chain(name: &str, tensor: Tensor, ops: &[Op]) -> Result<Tensor, CompileError> {
    ops.iter().try_fold(tensor, |tensor, op| {
        let mut results = eval_op(op, &[&tensor]).map_err(|e| CompileError::evaluate(name, e))?;
        results.pop().ok_or_else(|| internal(format!("{name}: packing without a result")))
    })
}

fn internal(what: String) -> CompileError {
    CompileError::Internal { stage: "choose".into(), what }
}
