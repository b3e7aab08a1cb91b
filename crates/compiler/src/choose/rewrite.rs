//! The graph with what was chosen: values in the layouts that are asked for, packed constants, views.

use super::Chooser;
use super::fastest::Choice;
use crate::CompileError;
use cnnc_ir::graph::{Def, Node, Op, ValueId, eval_op};
use cnnc_lower::{Packing, Region};
use cnnc_tensor::{Layout, Tensor};

impl Chooser<'_> {
    /// A reshape is a view of a plain value.
    pub(super) fn reshape(&mut self, node: &Node) -> Result<(), CompileError> {
        let input = self.version(node.inputs[0], Layout::Plain)?;
        let ty = self.old.ty(node.outputs[0]).clone();
        let output = self.new.add_typed(&node.name, node.op.clone(), &[input], vec![ty], None)[0];
        self.define(node.outputs[0], Layout::Plain, output);
        Ok(())
    }

    /// Adds a node by a choice.
    pub(super) fn apply(&mut self, node: &Node, choice: Choice) -> Result<(), CompileError> {
        if choice.is_measured {
            self.measured.insert(node.name.clone());
        }
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
    pub(super) fn version(&mut self, old: ValueId, layout: Layout) -> Result<ValueId, CompileError> {
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
